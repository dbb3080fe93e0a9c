//! Our SQL in the spelling of Postgres: parameters, lists of numbers, and no names of indexes, which its
//! planner chooses by itself.

/// A list of numbers, given as a JSON array in a parameter.
const LIST: &str = "IN (SELECT value FROM json_each(";
/// What follows is the name of an index.
const INDEX: &str = " INDEXED BY ";

/// Renders a statement.
pub(super) fn render(sql: &str) -> String {
    without_indexes(&with_arrays(sql)).replace('?', "$")
}

fn with_arrays(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some((before, (parameter, after))) =
        rest.split_once(LIST).and_then(|(before, after)| Some((before, after.split_once("))")?)))
    {
        let (before, operator) = before.strip_suffix("NOT ").map_or((before, "= ANY"), |before| (before, "<> ALL"));
        text.push_str(before);
        text.extend([operator, " (CAST(translate(", parameter, ", '[]', '{}') AS BIGINT[]))"]);
        rest = after;
    }
    text.push_str(rest);
    text
}

fn without_indexes(sql: &str) -> String {
    let mut parts = sql.split(INDEX);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.trim_start_matches(|at: char| at.is_ascii_alphanumeric() || at == '_'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_lists_and_indexes_are_rendered() {
        for (ours, theirs) in [
            ("SELECT 1 FROM a WHERE b = ?1 AND c = ?12", "SELECT 1 FROM a WHERE b = $1 AND c = $12"),
            (
                "SELECT 1 FROM a INDEXED BY a_b WHERE b IN (SELECT value FROM json_each(?2)) LIMIT 1",
                "SELECT 1 FROM a WHERE b = ANY (CAST(translate($2, '[]', '{}') AS BIGINT[])) LIMIT 1",
            ),
            (
                "SELECT 1 FROM a AS x INDEXED BY a_b JOIN c INDEXED BY d ON x.e = c.e AND f NOT IN (SELECT value FROM json_each(?1))",
                "SELECT 1 FROM a AS x JOIN c ON x.e = c.e AND f <> ALL (CAST(translate($1, '[]', '{}') AS BIGINT[]))",
            ),
        ] {
            assert_eq!(render(ours), theirs);
        }
    }
}
