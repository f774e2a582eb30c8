//! Where the load goes: the server's address, whether we may start a server there, and the key for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;

use crate::error::UsageError;
use crate::secret::{self, Secret};

/// The key of the specification's scripts.
const DEFAULT_API_KEY: &str = "test-api-key";
/// The shortest key that tachikoma-server takes.
const MIN_KEY_CHARS: usize = 8;

/// The server under test.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its base URL without a trailing slash.
    pub base_url: String,
    /// Where WebSockets connect.
    pub ws_url: String,
    /// Where a server may be started: an address of this machine, unless the URL is remote or not ours to serve.
    pub local: Option<SocketAddr>,
    ws_derived: bool,
}

impl Target {
    /// Reads the URLs of the command line.
    ///
    /// # Errors
    /// A [`UsageError`] that names the URL and what is wrong with it.
    pub fn new(base_url: &str, ws_url: Option<&str>) -> Result<Self, UsageError> {
        let url = parse("base URL", base_url, &["http", "https"])?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(UsageError(format!(
                "the base URL `{base_url}` has a query or fragment: leave it out"
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UsageError("the base URL holds a user name or password: it would be written into the results; pass API_KEY in the environment instead".into()));
        }
        if url.port() == Some(0) && local_address(&url).is_none() {
            return Err(UsageError(format!(
                "`{base_url}`: port 0 is a free port of this machine, for a server that is started there"
            )));
        }
        let (ws_url, ws_derived) = match ws_url {
            Some(given) => {
                let ws = parse("WebSocket URL", given, &["ws", "wss"])?;
                if ws.query().is_some() {
                    return Err(UsageError(format!(
                        "the WebSocket URL `{given}` has a query: the script adds its own"
                    )));
                }
                (trimmed(&ws), false)
            }
            None => (derived_ws(&url), true),
        };
        Ok(Self {
            base_url: trimmed(&url),
            ws_url,
            local: local_address(&url),
            ws_derived,
        })
    }

    /// Takes over the address at which a server that we started really listens.
    pub fn listens_at(&mut self, address: SocketAddr) {
        let Ok(mut url) = Url::parse(&self.base_url) else {
            return;
        };
        if url.port() == Some(0) && url.set_port(Some(address.port())).is_ok() {
            self.base_url = trimmed(&url);
            self.local = Some(address);
            if self.ws_derived {
                self.ws_url = derived_ws(&url);
            }
        }
    }

    /// Whether a free port is to be taken, so that no other server can be meant.
    pub fn any_port(&self) -> bool {
        self.local.is_some_and(|address| address.port() == 0)
    }

    /// A name for the server that is the same for all URLs that mean it: runs with the same name disturb each other.
    pub fn lock_name(&self) -> Option<String> {
        if self.any_port() {
            return None;
        }
        let url = Url::parse(&self.base_url).ok()?;
        let host = if is_loopback(&url) {
            "local".into()
        } else {
            url.host_str()?.to_owned()
        };
        let safe = |c: char| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '_'
            }
        };
        Some(format!(
            "{}-{}",
            host.chars().map(safe).collect::<String>(),
            url.port_or_known_default()?
        ))
    }
}

/// Reads the key from the environment variable `API_KEY`.
///
/// # Errors
/// A [`UsageError`] if it cannot be sent in a header, is too short for a server that we start, or would break the
/// WebSocket script's URL.
pub fn api_key(websocket: bool) -> Result<Secret, UsageError> {
    let key = match std::env::var("API_KEY") {
        Ok(key) if !key.is_empty() => key,
        Ok(_) | Err(std::env::VarError::NotPresent) => DEFAULT_API_KEY.into(),
        Err(std::env::VarError::NotUnicode(_)) => {
            return Err(UsageError("API_KEY is not valid UTF-8".into()));
        }
    };
    check_key(&key, websocket)?;
    let key = Secret::new(key);
    secret::keep(&key);
    Ok(key)
}

fn check_key(key: &str, websocket: bool) -> Result<(), UsageError> {
    let count = key.chars().count();
    if count < MIN_KEY_CHARS {
        return Err(UsageError(format!(
            "API_KEY has {count} characters: tachikoma-server takes keys of {MIN_KEY_CHARS} or more"
        )));
    }
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(UsageError("API_KEY holds a space, a control character or one outside ASCII: it cannot be sent in a header".into()));
    }
    if websocket && let Some(bad) = key.chars().find(|c| "&#%+".contains(*c)) {
        return Err(UsageError(format!(
            "API_KEY holds `{bad}`, and the WebSocket script puts the key into a URL as it is: use a key without & # % +"
        )));
    }
    Ok(())
}

fn parse(what: &str, text: &str, schemes: &[&str]) -> Result<Url, UsageError> {
    let example = format!("{}://localhost:3000", schemes[0]);
    let url = Url::parse(text).map_err(|error| {
        UsageError(format!(
            "the {what} `{text}` is not a URL ({error}): give one like {example}"
        ))
    })?;
    if !schemes.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        return Err(UsageError(format!(
            "the {what} `{text}` must begin with {}://: give one like {example}",
            schemes.join(":// or ")
        )));
    }
    Ok(url)
}

fn trimmed(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn derived_ws(base: &Url) -> String {
    let rest = trimmed(base);
    let rest = rest
        .split_once("://")
        .map_or(rest.as_str(), |(_, rest)| rest);
    format!(
        "{}://{rest}/ws",
        if base.scheme() == "https" {
            "wss"
        } else {
            "ws"
        }
    )
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

fn local_address(url: &Url) -> Option<SocketAddr> {
    if url.scheme() != "http" || !is_loopback(url) || !matches!(url.path(), "" | "/") {
        return None;
    }
    let ip = match url.host_str()? {
        host if host.starts_with('[') => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    };
    Some(SocketAddr::new(ip, url.port_or_known_default()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(base: &str) -> Target {
        Target::new(base, None).unwrap()
    }

    #[test]
    fn derives_the_websocket_url() {
        assert_eq!(
            target("http://localhost:3000").ws_url,
            "ws://localhost:3000/ws"
        );
        assert_eq!(
            target("https://api.example.org/v1/").ws_url,
            "wss://api.example.org/v1/ws"
        );
        assert_eq!(target("http://[::1]:3000/").base_url, "http://[::1]:3000");
        assert_eq!(
            Target::new("http://a", Some("wss://b/x")).unwrap().ws_url,
            "wss://b/x"
        );
    }

    #[test]
    fn starts_servers_on_this_machine_only() {
        for (url, local) in [
            ("http://localhost:3000", Some("127.0.0.1:3000")),
            ("http://127.0.0.2:80", Some("127.0.0.2:80")),
            ("http://[::1]:3000", Some("[::1]:3000")),
            ("https://localhost:3000", None),
            ("http://localhost:3000/prefix", None),
            ("http://10.0.0.1:3000", None),
            ("http://localhost.example.org", None),
        ] {
            assert_eq!(
                target(url).local,
                local.map(|a| a.parse().unwrap()),
                "{url}"
            );
        }
    }

    #[test]
    fn same_server_same_lock() {
        let name = |url| target(url).lock_name();
        assert_eq!(
            name("http://localhost:3000"),
            name("http://127.0.0.1:3000/")
        );
        assert_ne!(name("http://localhost:3000"), name("http://localhost:3001"));
        assert_eq!(
            name("https://a.example.org"),
            Some("a.example.org-443".into())
        );
        assert_eq!(name("http://127.0.0.1:0"), None);
    }

    #[test]
    fn takes_over_the_real_port() {
        let mut free = target("http://127.0.0.1:0");
        free.listens_at("127.0.0.1:4567".parse().unwrap());
        assert_eq!(free.base_url, "http://127.0.0.1:4567");
        assert_eq!(free.ws_url, "ws://127.0.0.1:4567/ws");
    }

    #[test]
    fn bad_urls_say_what_to_do() {
        for (base, ws, hint) in [
            ("localhost:3000", None, "http:// or https://"),
            ("nonsense", None, "not a URL"),
            ("ftp://x", None, "http:// or https://"),
            ("http://x/?a=b", None, "query"),
            ("http://u:p@x", None, "API_KEY"),
            ("http://x", Some("http://x"), "ws:// or wss://"),
        ] {
            let error = Target::new(base, ws).unwrap_err().to_string();
            assert!(error.contains(hint), "{base}: {error}");
        }
    }

    #[test]
    fn keys_that_cannot_work_are_refused() {
        assert!(check_key("test-api-key", true).is_ok());
        assert!(
            check_key("short", false)
                .unwrap_err()
                .to_string()
                .contains("5 characters")
        );
        assert!(check_key("with a space", false).is_err());
        assert!(check_key("per%cent-key", false).is_ok());
        assert!(check_key("per%cent-key", true).is_err());
    }
}
