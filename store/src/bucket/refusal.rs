//! What a server says when it refuses: all of them answer with a code and a message in XML.

use std::error::Error as _;

use object_store::Error as Cause;

/// How much of what a server says is told.
const SAID_CHARS_MAX: usize = 300;
/// Codes of a server that has no room: of `MinIO`, of versitygw, and of a quota.
const FULL: [&str; 3] = ["XMinioStorageFull", "InsufficientStorage", "QuotaExceeded"];

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
    element(&innermost(error), "Code").is_some_and(|code| FULL.contains(&code))
}

/// What a server said, else the innermost cause, on one line of bounded length: the layers above it repeat
/// each other.
pub(super) fn sentence(error: &Cause) -> String {
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
    }
}
