//! Peak and average segment bit rates by the window rule of RFC 8216bis §4.1.

use serde::{Deserialize, Serialize};

/// Measured or declared rates of one track, container overhead included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Peak segment bit rate, bits per second.
    pub peak_bps: u64,
    /// Average segment bit rate, bits per second.
    pub average_bps: u64,
}
