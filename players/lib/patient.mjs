// Settings with which players wait smoothly for what is not made yet: those that the documentation names and our page uses.
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
export const SHAKA_PATIENT = { streaming: { retryParameters: { maxAttempts: 40, baseDelay: 1000, backoffFactor: 1, fuzzFactor: 0 } } };
export const DASH_PATIENT = { streaming: { retryAttempts: { MediaSegment: 60 }, retryIntervals: { MediaSegment: 1000 } } };
