//! What a server says when it refuses: all of them answer with a code and a message in XML.

use std::error::Error as _;

use object_store::Error as Cause;

/// How much of what a server says is told.
const SAID_CHARS_MAX: usize = 300;
/// Codes of a server that has no room: of `MinIO`, of versitygw, and of quotas.
const FULL: [&str; 4] = ["XMinioStorageFull", "InsufficientStorage", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"];
/// Codes that the same request may not meet again, although their status says that it is at fault: its body came late,
/// in part, or damaged.
const PASSING: [&str; 4] = ["RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch"];
/// Codes of a bucket that is in another region.
const REGION: [&str; 4] =
    ["AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException"];
/// How the library begins the text of an answer, before its status.
const STATUS: &str = "Server returned non-2xx status code: ";

/// The failure of a list, of the kind that it would have as another request: the library sorts all others
/// by their status.
pub(super) fn of_list(error: Cause) -> Cause {
    let (path, said) = (String::new(), innermost(&error));
    match element(&said, "Code") {
        Some("NoSuchBucket") => Cause::NotFound { path, source: Box::new(error) },
        Some("AccessDenied") => Cause::PermissionDenied { path, source: Box::new(error) },
        _ => error,
    }
}

/// Whether it is because there is no room.
pub(crate) fn is_full(error: &Cause) -> bool {
    let said = innermost(error);
    status(&said) == Some(507) || has_code(&said, &FULL)
}

/// Whether the same request may be answered a moment later.
pub(crate) fn is_passing(error: &Cause) -> bool {
    let said = innermost(error);
    let is_certain = match status(&said) {
        // A request that came too early, too late, too often, or at the same time as another one.
        Some(408 | 409 | 425 | 429) => false,
        Some(300..=499 | 501) => !has_code(&said, &PASSING),
        _ => false,
    };
    matches!(error, Cause::Generic { .. }) && !is_certain && !is_full(error) && !is_elsewhere(error)
}

/// Whether it is because the bucket is in another region.
pub(super) fn is_elsewhere(error: &Cause) -> bool {
    let said = innermost(error);
    matches!(status(&said), Some(300..=399)) || said.contains("redirect without LOCATION") || has_code(&said, &REGION)
}

/// Whether it is because the clocks of this machine and of the server differ too much.
pub(super) fn is_skewed(error: &Cause) -> bool {
    has_code(&innermost(error), &["RequestTimeTooSkewed"])
}

/// What a server said, else the innermost cause, on one line of bounded length: the layers above it repeat
/// each other.
pub(crate) fn sentence(error: &Cause) -> String {
    let text = innermost(error);
    let text = match (element(&text, "Code"), element(&text, "Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => text,
    };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(SAID_CHARS_MAX).collect()
}

fn innermost(error: &Cause) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

fn has_code(said: &str, codes: &[&str]) -> bool {
    element(said, "Code").is_some_and(|code| codes.contains(&code))
}

/// The status of an answer; `None` where none came.
fn status(said: &str) -> Option<u16> {
    said.strip_prefix(STATUS)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: String) -> Cause {
        Cause::Generic { store: "S3", source: text.into() }
    }

    fn xml(code: &str) -> Cause {
        failure(format!("403: <?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>No\n way</Message></Error>"))
    }

    #[test]
    fn a_code_and_a_message_become_a_sentence() {
        assert_eq!(sentence(&xml("AccessDenied")), "AccessDenied: No way");
        assert_eq!(sentence(&failure("<Error><Code>X</Code></Error>".into())), "X");
        assert_eq!(sentence(&failure("Connection\nrefused".into())), "Connection refused");
        assert_eq!(sentence(&failure("ä".repeat(SAID_CHARS_MAX + 1))).chars().count(), SAID_CHARS_MAX);
    }

    #[test]
    fn codes_say_what_kind_it_is() {
        assert!(matches!(of_list(xml("NoSuchBucket")), Cause::NotFound { .. }));
        assert!(matches!(of_list(xml("AccessDenied")), Cause::PermissionDenied { .. }));
        assert!(matches!(of_list(xml("SlowDown")), Cause::Generic { .. }));
        assert!(is_full(&xml("XMinioStorageFull")) && is_full(&xml("QuotaExceeded")) && !is_full(&xml("SlowDown")));
        assert!(is_elsewhere(&xml("PermanentRedirect")) && !is_elsewhere(&xml("AccessDenied")));
        assert!(is_skewed(&xml("RequestTimeTooSkewed")) && !is_skewed(&xml("AccessDenied")));
    }

    #[test]
    fn a_request_that_is_at_fault_is_not_made_again() {
        let answer =
            |status: &str, code: &str| failure(format!("{STATUS}{status}: <Error><Code>{code}</Code></Error>"));
        for (status, code, passes) in [
            ("400 Bad Request", "XMinioAdminBucketQuotaExceeded", false),
            ("400 Bad Request", "InvalidPart", false),
            ("400 Bad Request", "", false),
            ("400 Bad Request", "RequestTimeout", true),
            ("400 Bad Request", "BadDigest", true),
            ("301 Moved Permanently", "PermanentRedirect", false),
            ("408 Request Timeout", "", true),
            ("409 Conflict", "ConditionalRequestConflict", true),
            ("429 Too Many Requests", "", true),
            ("500 Internal Server Error", "InternalError", true),
            ("501 Not Implemented", "NotImplemented", false),
            ("503 Service Unavailable", "SlowDown", true),
            ("507 Insufficient Storage", "", false),
        ] {
            assert_eq!(is_passing(&answer(status, code)), passes, "{status} {code}");
        }
        assert!(is_passing(&failure("Connection refused".into())));
        assert!(!is_passing(&failure("Received redirect without LOCATION, this normally indicates a region".into())));
        assert!(is_full(&answer("400 Bad Request", "XMinioAdminBucketQuotaExceeded")));
        assert!(
            is_full(&answer("507 Insufficient Storage", "")) && !is_full(&answer("400 Bad Request", "InvalidPart"))
        );
        assert!(is_elsewhere(&answer("400 Bad Request", "AuthorizationHeaderMalformed")));
        assert!(is_elsewhere(&answer("301 Moved Permanently", "")) && !is_elsewhere(&answer("503 Slow", "SlowDown")));
    }
}
