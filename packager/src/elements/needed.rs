//! What every worker's pipelines are made of whatever the plugins are, and the Debian packages of elements.

use std::collections::BTreeSet;

/// Elements by Debian package.
type Packages = [(&'static str, &'static [&'static str])];

/// Elements without which jobs fail: those of the containers and codecs that refused files are told to use, and those
/// between decoders and encoders.
static NEEDED: &Packages = &[
    ("libgstreamer1.0-0", &["capsfilter", "fakesink", "typefind"]),
    ("gstreamer1.0-plugins-base", &["audioconvert", "audioresample", "videoconvert"]),
    ("gstreamer1.0-plugins-good", &["aacparse", "deinterlace", "jpegenc", "matroskademux", "qtdemux", "videoflip"]),
    ("gstreamer1.0-plugins-bad", &["h264parse", "tsdemux"]),
];
/// What is decoded by whatever element does it: packets of these caps, how that element is called, and a package with one.
static DECODED: &[(&str, &str, &str)] = &[
    ("video/x-h264, stream-format=(string)avc, alignment=(string)au", "a decoder of H.264", "gstreamer1.0-libav"),
    ("audio/mpeg, mpegversion=(int)4, stream-format=(string)raw", "a decoder of AAC", "gstreamer1.0-libav"),
];
/// The elements of the bundled plugins, of which one a codec is enough.
static ENCODERS: &Packages = &[
    ("gstreamer1.0-plugins-ugly", &["x264enc"]),
    ("gstreamer1.0-plugins-bad", &["openh264enc"]),
    ("gstreamer1.0-libav", &["avenc_aac"]),
];

/// The names of all that are needed.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NEEDED.iter().flat_map(|(_, elements)| elements.iter().copied())
}

/// The caps of all packets that must be decoded.
pub(super) fn decoded() -> impl Iterator<Item = &'static str> {
    DECODED.iter().map(|(caps, ..)| *caps)
}

/// What is needed and not there, with its packages; `None` if nothing is missing.
pub(crate) fn missing(there: &BTreeSet<String>) -> Option<String> {
    let lacking = |(package, elements): &(&str, &[&str])| {
        let absent: Vec<&str> = elements.iter().copied().filter(|element| !there.contains(*element)).collect();
        (!absent.is_empty()).then(|| told(&absent.join(", "), package))
    };
    let undecoded = DECODED.iter().filter(|(caps, ..)| !there.contains(*caps));
    let undecoded = undecoded.map(|(_, name, package)| told(name, package));
    let all: Vec<String> = NEEDED.iter().filter_map(lacking).chain(undecoded).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// The element, with its package if it is one of a bundled plugin.
pub(crate) fn packaged(element: &str) -> String {
    let package = ENCODERS.iter().find_map(|(package, elements)| elements.contains(&element).then_some(*package));
    package.map_or_else(|| element.to_owned(), |package| told(element, package))
}

fn told(elements: &str, package: &str) -> String {
    format!("{elements} (Debian package {package})")
}

#[cfg(test)]
mod tests {
    use vidstream_plugins::Registry;

    use super::*;

    #[test]
    fn what_is_missing_is_told_by_package() {
        let mut there: BTreeSet<String> = names().chain(decoded()).map(str::to_owned).collect();
        assert_eq!(missing(&there), None);
        for caps in decoded().filter(|caps| caps.contains("h264")) {
            let found = there.iter().filter(|one| *one != caps).cloned().collect();
            assert_eq!(missing(&found).unwrap(), "a decoder of H.264 (Debian package gstreamer1.0-libav)");
        }
        for element in ["jpegenc", "videoflip", "tsdemux"] {
            there.remove(element);
        }
        let told = "jpegenc, videoflip (Debian package gstreamer1.0-plugins-good), tsdemux (Debian package gstreamer1.0-plugins-bad)";
        assert_eq!(missing(&there).unwrap(), told);
    }

    #[test]
    fn the_package_of_each_bundled_encoder_is_known() {
        for plugin in Registry::load(&[]).unwrap().iter() {
            assert!(packaged(&plugin.element).contains("Debian package"), "{}", plugin.element);
        }
        assert_eq!(packaged("nvh264enc"), "nvh264enc");
    }
}
