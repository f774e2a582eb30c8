//! Query strings, read strictly: what is not understood is refused, not guessed.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use uuid::Uuid;

use crate::problem::Problem;

/// The parameters of one request, decoded on demand.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    /// Takes the part of a URL after the `?`, if any.
    pub fn new(raw: Option<&'a str>) -> Self {
        Self(raw.unwrap_or_default())
    }

    /// The decoded value of a parameter; `+` and `%20` are both spaces.
    ///
    /// # Errors
    /// A 400 if the parameter is there twice or is not UTF-8.
    pub fn get(self, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        let mut found = None;
        for pair in self.0.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decode(key).is_none_or(|key| key != name) {
                continue;
            }
            let value = decode(value).ok_or_else(|| {
                Problem::bad_request(format!("the query parameter {name} is not valid UTF-8"))
            })?;
            if found.replace(value).is_some() {
                return Err(Problem::bad_request(format!(
                    "the query parameter {name} is given more than once"
                )));
            }
        }
        Ok(found)
    }

    /// A parameter that is a whole number from 1 to `max`.
    ///
    /// # Errors
    /// A 400 for anything else.
    pub fn count(self, name: &str, default: usize, max: usize) -> Result<usize, Problem> {
        let Some(text) = self.get(name)? else {
            return Ok(default);
        };
        // `parse` alone would also take "+5".
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(count) if digits && (1..=max).contains(&count) => Ok(count),
            _ => Err(Problem::bad_request(format!(
                "the query parameter {name} must be a whole number from 1 to {max}"
            ))),
        }
    }

    /// A parameter that is the id of a mission.
    ///
    /// # Errors
    /// A 400 for anything else.
    pub fn mission_id(self, name: &str) -> Result<Option<Uuid>, Problem> {
        let Some(text) = self.get(name)? else {
            return Ok(None);
        };
        parse_id(&text).map(Some).ok_or_else(|| {
            Problem::bad_request(format!("the query parameter {name} must be a mission's id"))
        })
    }
}

/// Reads a mission id in its one form, 36 characters with hyphens; the letters' case is free.
pub fn parse_id(text: &str) -> Option<Uuid> {
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

/// Decodes `application/x-www-form-urlencoded` text; `None` if it is not UTF-8 then.
pub fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['+', '%']) {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get<'a>(raw: &'a str, name: &str) -> Result<Option<Cow<'a, str>>, Problem> {
        Query::new(Some(raw)).get(name)
    }

    #[test]
    fn values_are_decoded() {
        assert_eq!(
            get("q=a+b%20c%26", "q").expect("valid").as_deref(),
            Some("a b c&")
        );
        assert_eq!(get("%71=x", "q").expect("valid").as_deref(), Some("x"));
        assert_eq!(get("q", "q").expect("valid").as_deref(), Some(""));
        assert_eq!(get("p=1", "q").expect("valid"), None);
        assert_eq!(Query::new(None).get("q").expect("valid"), None);
    }

    #[test]
    fn doubles_and_broken_text_are_refused() {
        assert!(get("q=1&q=2", "q").is_err());
        assert!(get("q=%ff", "q").is_err());
        assert!(
            get("p=%ff&q=1", "q").is_ok(),
            "only what is asked for must be valid"
        );
    }

    #[test]
    fn counts_have_bounds() {
        let count = |raw: &str| Query::new(Some(raw)).count("limit", 50, 200);
        assert_eq!(count("").expect("valid"), 50);
        assert_eq!(count("limit=1").expect("valid"), 1);
        assert_eq!(count("limit=200").expect("valid"), 200);
        for bad in [
            "0",
            "201",
            "+5",
            "-1",
            "1.0",
            "",
            "x",
            "99999999999999999999999",
            " 5",
        ] {
            assert!(
                count(&format!("limit={bad}")).is_err(),
                "{bad:?} was accepted"
            );
        }
    }

    #[test]
    fn ids_have_one_form() {
        let id = "018f3a3e-5b7c-7def-8a01-0123456789ab";
        assert!(parse_id(id).is_some());
        assert!(parse_id(&id.replace('-', "")).is_none());
        assert!(parse_id(&format!("{{{id}}}")).is_none());
        assert!(parse_id(&format!("urn:uuid:{id}")).is_none());
        assert!(parse_id("").is_none());
    }
}
