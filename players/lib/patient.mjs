// Settings with which players wait smoothly for what is not made yet, as the documentation names them; those of hls.js are our page's.
export { HLS_PATIENT } from "../../web/src/patient.js";
export const SHAKA_PATIENT = { streaming: { retryParameters: { maxAttempts: 40, baseDelay: 1000, backoffFactor: 1, fuzzFactor: 0 } } };
export const DASH_PATIENT = { streaming: { retryAttempts: { MediaSegment: 60 }, retryIntervals: { MediaSegment: 1000 } } };
