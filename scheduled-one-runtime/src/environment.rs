//! Settings that come from environment variables.
//!
//! Deployments deliver them with flaws that mean nothing: a variable that is empty because nothing was to be set, a
//! newline at the end of one that was read from a file.

use std::ffi::OsString;

/// The value of a variable, without white space around it; `None` if the variable is unset or empty.
///
/// # Errors
///
/// The value is not UTF-8. The text names the variable and not the value, which may be a secret.
pub(crate) fn variable(name: &str) -> Result<Option<String>, String> {
    read(name, std::env::var_os(name))
}

fn read(name: &str, value: Option<OsString>) -> Result<Option<String>, String> {
    let Some(value) = value else {
        return Ok(None);
    };
    let Some(text) = value.to_str() else {
        return Err(format!("environment variable {name} is not UTF-8"));
    };
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// The value of a variable that says yes or no; `None` if the variable is unset or empty.
///
/// # Errors
///
/// The value is neither.
pub(crate) fn switch(name: &str) -> Result<Option<bool>, String> {
    variable(name)?
        .map(|value| yes_or_no(name, &value))
        .transpose()
}

fn yes_or_no(name: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!(
            "environment variable {name} is {value:?}; it says whether the job is enabled: \
             true or false"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn empty_is_unset_and_white_space_does_not_count() {
        for (value, meant) in [
            ("", None),
            (" \t\n", None),
            ("a b\r\n", Some("a b")),
            ("  a", Some("a")),
        ] {
            let value = read("V", Some(value.into())).unwrap();
            assert_eq!(value.as_deref(), meant);
        }
        assert_eq!(read("V", None), Ok(None));
        let text = read("V", Some(OsString::from_vec(b"secret\xff".to_vec()))).unwrap_err();
        assert!(text.contains('V') && !text.contains("secret"), "{text}");
    }

    #[test]
    fn a_switch_is_on_or_off() {
        for on in ["true", "1", "Yes", "ON"] {
            assert_eq!(yes_or_no("V", on), Ok(true), "{on}");
        }
        for off in ["FALSE", "0", "no", "Off"] {
            assert_eq!(yes_or_no("V", off), Ok(false), "{off}");
        }
        for neither in ["-", "maybe", "2"] {
            let text = yes_or_no("V", neither).unwrap_err();
            assert!(
                text.contains(neither) && text.contains("true or false"),
                "{text}"
            );
        }
    }
}
