// How hls.js waits smoothly for a segment that is not made yet. A pending one is held up to 8 s and then refused with 503
// while its chunk is brought forward: these settings ride over it without a stall being taken for a slow network.
export const HLS_PATIENT = {
  fragLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 10_000,
      maxLoadTimeMs: 120_000,
      timeoutRetry: { maxNumRetry: 4, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: { maxNumRetry: 40, retryDelayMs: 1000, maxRetryDelayMs: 1000 },
    },
  },
};
