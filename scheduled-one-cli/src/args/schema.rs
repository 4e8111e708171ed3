//! The arguments of `schema`.

#[derive(Debug, clap::Args)]
pub(crate) struct Schema {
    /// Writes the SQL to the standard output; nothing else is offered, so that nothing is changed by mistake
    #[arg(long, required = true)]
    pub(crate) print: bool,
    /// The schema
    #[arg(long, default_value = "scheduled_one", value_name = "NAME", value_parser = schema)]
    pub(crate) schema: String,
    /// The user that gets the rights of a scheduler
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
}

fn schema(name: &str) -> Result<String, String> {
    let is_letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    let is_name = (1..=63).contains(&name.len())
        && name.bytes().all(is_letter)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("pg_");
    match is_name {
        true => Ok(name.to_owned()),
        false => Err(
            "a schema is 1 to 63 of a-z 0-9 _ and begins with no digit and not with pg_".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_schemas_are_those_that_a_url_may_have() {
        for name in ["a", "scheduled_one", "_x9"] {
            assert!(schema(name).is_ok(), "{name}");
        }
        for name in ["", "9a", "A", "pg_x", "a b", "a\"b"] {
            assert!(schema(name).is_err(), "{name}");
        }
    }
}
