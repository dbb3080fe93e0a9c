//! From what children say to what the catalog keeps.

use crate::protocol::{Failure, Warning};

impl From<Warning> for vidstream_catalog::Warning {
    fn from(warning: Warning) -> Self {
        let Warning { code, detail, from_s, to_s } = warning;
        Self { code, detail, from_s, to_s, rules: Vec::new() }
    }
}

impl From<Failure> for vidstream_catalog::Failure {
    fn from(failure: Failure) -> Self {
        let Failure { code, title, detail, retryable } = failure;
        Self { code, title, detail, retryable }
    }
}
