//! The key that the server demands, from the environment alone.

use crate::config::Config;
use crate::error::UsageError;
use crate::secret::{self, Secret};

/// Reads the key for `tests` from the environment variable `API_KEY`; without it, it is the table's.
///
/// # Errors
/// A [`UsageError`] if it cannot be sent in a header, is too short for the server, or would break the URL of a test that
/// puts it into one.
pub fn api_key(config: &Config, tests: &[String]) -> Result<Secret, UsageError> {
    let table = &config.table.key;
    let key = match std::env::var("API_KEY") {
        Ok(key) if !key.is_empty() => key,
        Ok(_) | Err(std::env::VarError::NotPresent) => table.default.clone(),
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(UsageError(
                "API_KEY is not valid UTF-8: it cannot be sent in a header; set another one".into(),
            ));
        }
    };
    let in_url = tests.iter().find(|test| table.in_url.contains(test));
    check_key(&key, table.shortest, in_url.map(String::as_str))?;
    let key = Secret::new(key);
    secret::keep(&key);
    Ok(key)
}

fn check_key(key: &str, shortest: usize, in_url: Option<&str>) -> Result<(), UsageError> {
    let count = key.chars().count();
    if count < shortest {
        return Err(UsageError(format!(
            "API_KEY has {count} characters: the server takes keys of {shortest} or more; set a longer one"
        )));
    }
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(UsageError("API_KEY holds a space, a control character or one outside ASCII: it cannot be sent in a header; set another one".into()));
    }
    if let Some(test) = in_url
        && let Some(bad) = key.chars().find(|c| "&#%+".contains(*c))
    {
        return Err(UsageError(format!(
            "API_KEY holds `{bad}`, and the script of {test} puts the key into a URL as it is: use a key without & # % +"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_key;

    #[test]
    fn keys_that_cannot_work_are_refused() {
        let check = |key, in_url| check_key(key, 8, in_url);
        assert!(check("test-api-key", Some("websocket")).is_ok());
        let short = check("short", None).unwrap_err().to_string();
        assert!(short.contains("5 characters"), "{short}");
        assert!(check("with a space", None).is_err());
        assert!(check("per%cent-key", None).is_ok());
        assert!(check("per%cent-key", Some("websocket")).is_err());
        assert!(check_key("", 0, None).is_ok());
    }
}
