// Spike: everybody comes at once to the beginning of a title that nobody has asked for yet.
import { check } from "k6";
import { text } from "../lib/fetch.js";
import { media, multivariant } from "../lib/playlist.js";
import { scenario } from "../lib/scenario.js";
import { admins, coldVideo } from "../lib/settings.js";
import { Viewer } from "../lib/viewer.js";

const spike = scenario({
  name: "spike",
  what: (viewers, seconds) => `${viewers} viewers at once on a cold title, for ${seconds} s`,
  viewers: 50,
  seconds: 15,
  arrive_s: 0.5,
  video: coldVideo,
  session({ url, number, until_ms }) {
    const viewer = new Viewer(url, number);
    viewer.play(until_ms);
    viewer.close();
  },
  // However many ask, each origin asks the store once: all wait for the same read.
  after(url, added) {
    const title = multivariant(text(url), url);
    const tracks = [...title.variants.map((variant) => variant.url), ...Object.values(title.audio)];
    const segments = tracks.reduce((sum, track) => sum + media(text(track), track).segments.length, 0);
    const reads_max = segments * admins.length;
    check(added, { "origins: at most one read of the store for each segment": ({ store_reads }) => store_reads <= reads_max });
  },
});

export const { options, setup, teardown, handleSummary } = spike;
export default spike.run;
