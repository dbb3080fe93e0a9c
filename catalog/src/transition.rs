//! The one table of legal state changes.

use State::{Deleting, Failed, Probing, Processing, Queued, Ready, Uploading};

use crate::{Error, Result, State};

/// Every change of state that may happen. What removes a row (an abandoned upload, a finished
/// deletion) is no change of state.
const LEGAL: [(State, State); 18] = [
    (Uploading, Queued),
    (Queued, Probing),
    (Probing, Processing),
    (Processing, Ready),
    // Another try, as a new generation.
    (Processing, Queued),
    (Ready, Queued),
    (Failed, Queued),
    (Uploading, Failed),
    (Queued, Failed),
    (Probing, Failed),
    (Processing, Failed),
    (Ready, Failed),
    (Uploading, Deleting),
    (Queued, Deleting),
    (Probing, Deleting),
    (Processing, Deleting),
    (Ready, Deleting),
    (Failed, Deleting),
];

/// Whether a video may go from one state to another.
pub(crate) fn is_legal(from: State, to: State) -> bool {
    LEGAL.contains(&(from, to))
}

/// Refuses what [`is_legal`] does not allow.
pub(crate) fn check(from: State, to: State) -> Result<()> {
    if is_legal(from, to) { Ok(()) } else { Err(Error::Conflict(format!("a video that is {from} cannot become {to}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_deleting_and_nothing_enters_uploading() {
        for state in State::ALL {
            assert!(!is_legal(Deleting, state), "{state}");
            assert!(!is_legal(state, Uploading), "{state}");
            assert!(!is_legal(state, state), "{state}");
            assert_eq!(is_legal(state, Deleting), state != Deleting);
            assert_eq!(is_legal(state, Failed), !matches!(state, Deleting | Failed));
        }
    }

    #[test]
    fn the_way_to_ready_skips_nothing() {
        let way = [Uploading, Queued, Probing, Processing, Ready];
        for (at, &from) in way.iter().enumerate() {
            for (other, &to) in way.iter().enumerate() {
                let again = matches!(from, Processing | Ready) && to == Queued;
                assert_eq!(is_legal(from, to), other == at + 1 || again, "{from} {to}");
            }
        }
    }
}
