//! Where the load goes: the server's address, and whether we may start a server there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use reqwest::Url;

use crate::error::UsageError;
use crate::http;

/// How names end that mean something in one's own network only: of mDNS and clusters, and what is set aside for such.
const OWN_NAMES: [&str; 3] = [".local", ".internal", ".svc"];

/// Where the server under test is wanted: what the command line says, which stays as it is.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where a server may be started: an address of this machine, unless the URL is remote or not ours to serve.
    pub local: Option<SocketAddr>,
    url: Url,
    ws: WebSockets,
}

#[derive(Debug, Clone)]
enum WebSockets {
    /// At this URL.
    At(String),
    /// Beside the base URL, at this path.
    Path(String),
}

/// Where a server really is: the same for everyone who asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Its base URL without a trailing slash.
    pub base_url: String,
    /// Where WebSockets connect.
    pub ws_url: String,
}

impl Target {
    /// Reads the URLs of the command line; without `ws_url` WebSockets connect at `ws_path` below the base URL.
    ///
    /// # Errors
    /// A [`UsageError`] that names the URL and what is wrong with it.
    pub fn new(base_url: &str, ws_url: Option<&str>, ws_path: &str) -> Result<Self, UsageError> {
        let url = parse("base URL", base_url, &["http", "https"])?;
        if url.port() == Some(0) && local_address(&url).is_none() {
            return Err(UsageError(format!(
                "`{base_url}`: port 0 is a free port of this machine, for a server that is started there"
            )));
        }
        let ws = match ws_url {
            Some(given) => {
                let ws = parse("WebSocket URL", given, &["ws", "wss"])?;
                WebSockets::At(trimmed(&ws))
            }
            None => WebSockets::Path(ws_path.to_owned()),
        };
        Ok(Self {
            local: local_address(&url),
            url,
            ws,
        })
    }

    /// The address of a server of this machine that listens at `socket`.
    ///
    /// A name is replaced: it may stand for two addresses, with a different server at each.
    pub fn at(&self, socket: SocketAddr) -> Address {
        let mut url = self.url.clone();
        // Both hold for every URL that has a host.
        let _has_host = url.set_ip_host(socket.ip());
        let _has_host = url.set_port(Some(socket.port()));
        self.address(&url)
    }

    /// The address as it was given.
    pub fn as_given(&self) -> Address {
        self.address(&self.url)
    }

    fn address(&self, url: &Url) -> Address {
        Address {
            base_url: trimmed(url),
            ws_url: match &self.ws {
                WebSockets::At(url) => url.clone(),
                WebSockets::Path(path) => derived_ws(url, path),
            },
        }
    }

    /// Where a server of this machine may listen already: every address that the name stands for.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        let Some(local) = self.local else {
            return Vec::new();
        };
        let found = self.url.socket_addrs(|| None).unwrap_or_default();
        match found.is_empty() {
            true => vec![local],
            false => found,
        }
    }

    /// Whether a free port is to be taken, so that no other server can be meant.
    pub fn any_port(&self) -> bool {
        self.local.is_some_and(|address| address.port() == 0)
    }

    /// Whether this machine, and nothing else, is meant.
    pub fn is_loopback(&self) -> bool {
        http::is_loopback(&self.url)
    }

    /// The URL of the server that may be anybody's, if one is: where it asks for pages, or where WebSockets connect.
    pub fn public_url(&self) -> Option<String> {
        let Address { base_url, ws_url } = self.as_given();
        let is_public = |url: &String| Url::parse(url).is_ok_and(|url| may_be_anybodys(&url));
        [base_url, ws_url].into_iter().find(is_public)
    }

    /// A name for the server that is the same for all URLs that mean it: runs with the same name disturb each other.
    pub fn lock_name(&self) -> Option<String> {
        if self.any_port() {
            return None;
        }
        let host = if self.is_loopback() {
            "local".into()
        } else {
            self.url.host_str()?.to_owned()
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
            self.url.port_or_known_default()?
        ))
    }
}

impl Address {
    /// Whether WebSockets connect to this machine, and nothing else.
    pub fn is_ws_loopback(&self) -> bool {
        Url::parse(&self.ws_url).is_ok_and(|url| http::is_loopback(&url))
    }

    /// The port.
    pub fn port(&self) -> Option<u16> {
        Url::parse(&self.base_url).ok()?.port_or_known_default()
    }

    /// Whether it is known that the server is on another machine: its address is public and none of this machine's.
    /// Containers and virtual machines on this one have private addresses.
    pub fn is_elsewhere(&self) -> bool {
        let url = Url::parse(&self.base_url).ok();
        let address = url.and_then(|url| http::address_of(&url));
        address.is_some_and(|it| is_public(it.ip()) && UdpSocket::bind((it.ip(), 0)).is_err())
    }
}

/// Whether an address of the URL's host is public, or it is a name that nobody here can resolve.
fn may_be_anybodys(url: &Url) -> bool {
    let found = url.socket_addrs(|| None).unwrap_or_default();
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let is_own = !host.contains('.') || OWN_NAMES.iter().any(|end| host.ends_with(end));
    match found.is_empty() {
        true => !is_own,
        false => found.iter().any(|it| is_public(it.ip())),
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        // Which connects to this machine.
        ip if ip.is_unspecified() => false,
        IpAddr::V4(ip) => {
            // RFC 6598: 100.64.0.0/10 is shared by what stands behind one router.
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_private() || ip.is_link_local() || ip.is_loopback() || shared)
        }
        IpAddr::V6(ip) => !(ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback()),
    }
}

fn parse(what: &str, text: &str, schemes: &[&str]) -> Result<Url, UsageError> {
    let example = format!("{}://localhost:3000", schemes[0]);
    let instead = "pass API_KEY in the environment";
    http::given(what, text, schemes, &example, instead)
}

fn trimmed(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn derived_ws(base: &Url, path: &str) -> String {
    let rest = trimmed(base);
    let rest = rest
        .split_once("://")
        .map_or(rest.as_str(), |(_, rest)| rest);
    format!(
        "{}://{rest}{path}",
        if base.scheme() == "https" {
            "wss"
        } else {
            "ws"
        }
    )
}

fn local_address(url: &Url) -> Option<SocketAddr> {
    if url.scheme() != "http" || !http::is_loopback(url) || !matches!(url.path(), "" | "/") {
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
        Target::new(base, None, "/ws").unwrap()
    }

    #[test]
    fn derives_the_websocket_url() {
        assert_eq!(
            target("http://localhost:3000").as_given().ws_url,
            "ws://localhost:3000/ws"
        );
        assert_eq!(
            target("https://api.example.org/v1/").as_given().ws_url,
            "wss://api.example.org/v1/ws"
        );
        assert_eq!(
            target("http://[::1]:3000/").as_given().base_url,
            "http://[::1]:3000"
        );
        assert_eq!(
            Target::new("http://a", Some("wss://b/x"), "")
                .unwrap()
                .as_given()
                .ws_url,
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
    fn other_machines_are_known_by_their_addresses() {
        let elsewhere = |url| target(url).as_given().is_elsewhere();
        // Addresses of documentation belong to nobody.
        assert!(elsewhere("http://192.0.2.1:3000"));
        for url in [
            "http://localhost:3000",
            "https://127.0.0.2",
            "http://nowhere.invalid",
            // A container's, one of a virtual machine, and one behind a router.
            "http://172.17.0.2:3000",
            "http://[fd00::2]:3000",
            "http://100.64.0.1",
        ] {
            assert!(!elsewhere(url), "{url}");
        }
    }

    #[test]
    fn public_servers_are_told_from_ones_own() {
        for (url, public) in [
            ("http://localhost:3000", false),
            ("http://10.1.2.3:3000", false),
            ("http://[::ffff:192.168.0.2]", false),
            ("http://[fe80::1]", false),
            ("http://192.0.2.1", true),
            ("https://[2001:db8::1]", true),
            // Which nobody resolves.
            ("https://staging.invalid", true),
            ("http://shop.staging.svc:80", false),
            ("http://shop.staging.svc.cluster.local.", false),
            ("http://localhost.:3000", false),
            ("http://0.0.0.0:3000", false),
            ("http://[::]:3000", false),
        ] {
            assert_eq!(target(url).public_url().is_some(), public, "{url}");
        }
        let apart = Target::new("http://localhost:3000", Some("ws://192.0.2.1/ws"), "").unwrap();
        assert_eq!(apart.public_url().unwrap(), "ws://192.0.2.1/ws");
    }

    #[test]
    fn a_server_has_one_address() {
        let at = target("http://localhost:0").at("127.0.0.1:4567".parse().unwrap());
        assert_eq!(at.base_url, "http://127.0.0.1:4567");
        assert_eq!(at.ws_url, "ws://127.0.0.1:4567/ws");
        let at = target("http://localhost:3000").at("[::1]:3000".parse().unwrap());
        assert_eq!(at.base_url, "http://[::1]:3000");
        assert_eq!(at.ws_url, "ws://[::1]:3000/ws");
        let addresses = target("http://127.0.0.2:80").local_addresses();
        assert_eq!(addresses, ["127.0.0.2:80".parse().unwrap()]);
        assert!(target("http://10.0.0.1:80").local_addresses().is_empty());
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
            ("http://x", Some("ws://u:p@x"), "WebSocket URL holds"),
            ("http://x", Some("wss://u@x"), "API_KEY"),
        ] {
            let error = Target::new(base, ws, "").unwrap_err().to_string();
            assert!(error.contains(hint), "{base}: {error}");
        }
    }
}
