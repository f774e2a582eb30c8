//! The HTTP clients that everything here uses, and why a request failed.

mod trust;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::{Client, ClientBuilder};

use crate::error::UsageError;

/// How the certificate of the server under test is checked; as by default, until [`trust()`] says otherwise.
static TRUST: OnceLock<Trust> = OnceLock::new();

/// How the certificate of the server under test is checked: as k6 is told to.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Not at all.
    pub insecure: bool,
    /// The certificates that are trusted, in the place of the system's, as PEM.
    pub ca_cert: Option<PathBuf>,
}

/// Says once for the whole run how the certificate of the server under test is checked.
pub fn trust(trust: Trust) {
    // A run has one command line, which says it once.
    let _said_already = TRUST.set(trust);
}

/// The addresses of hosts whose names were resolved, by name and port.
static PINNED: Mutex<BTreeMap<String, SocketAddr>> = Mutex::new(BTreeMap::new());

/// Resolves the name in `url` once for the whole run: k6 and our own requests then ask the same server, whatever else
/// the name stands for. It is the first address where something listens within `limit`. Returns what is to be known of it.
///
/// Where a proxy is set, the name is its business.
pub fn pin(url: &str, limit: Duration) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let (name, key) = (url.domain()?, key(&url)?);
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map(str::to_owned);
    let proxies = proxies
        .iter()
        .flat_map(|name| [name.clone(), name.to_lowercase()]);
    let mut set = proxies.filter_map(std::env::var_os);
    if !is_loopback(&url) && set.any(|proxy| !proxy.is_empty()) {
        return None;
    }
    let found = url.socket_addrs(|| None).ok()?;
    let mut listening = found
        .iter()
        .filter(|it| TcpStream::connect_timeout(it, limit).is_ok());
    let address = *listening.next()?;
    let mut pinned = PINNED.lock().unwrap_or_else(PoisonError::into_inner);
    pinned.insert(key, address);
    let others = found.iter().filter(|it| it.ip() != address.ip()).count();
    (others > 0).then(|| {
        format!(
            "{name} has {} addresses: all load goes to {}",
            others + 1,
            address.ip()
        )
    })
}

/// What a name and a port are called in [`PINNED`], and in k6's option `hosts`.
fn key(url: &Url) -> Option<String> {
    Some(format!(
        "{}:{}",
        url.domain()?,
        url.port_or_known_default()?
    ))
}

/// The address of the server at `url`, if nobody needs to be asked: its name was resolved, or it is an address.
pub fn address_of(url: &Url) -> Option<SocketAddr> {
    match key(url) {
        Some(key) => pinned().get(&key).copied(),
        None => url.socket_addrs(|| None).ok()?.first().copied(),
    }
}

/// The names that were resolved, with their ports, and their addresses.
pub fn pinned() -> BTreeMap<String, SocketAddr> {
    PINNED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Begins a blocking HTTP client.
///
/// Proxy variables (`HTTPS_PROXY`, `NO_PROXY`, …) and the system's certificates apply.
pub fn client() -> ClientBuilder {
    // The client panics without a provider of cryptography. A second call changes nothing, hence the ignored result.
    let _set_already = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
}

/// Begins a blocking HTTP client for the server at `url` that reaches it as k6 does: addresses of this machine never
/// through a proxy, and with certificates checked as [`trust()`] says. Redirections are not followed.
///
/// # Errors
/// If the file of trusted certificates cannot be used.
pub fn client_for(url: &str) -> anyhow::Result<ClientBuilder> {
    build(url, TRUST.get().unwrap_or(&Trust::default()))
}

fn build(url: &str, trust: &Trust) -> anyhow::Result<ClientBuilder> {
    let mut client = client().redirect(reqwest::redirect::Policy::none());
    if let Ok(url) = Url::parse(url) {
        if is_loopback(&url) {
            client = client.no_proxy();
            if url.scheme() == "http" {
                // No certificate is ever seen, and to read the system's takes longer than the rest of the client.
                client = client.tls_certs_only([]);
            }
        }
        if let (Some(name), Some(address)) = (url.domain(), address_of(&url)) {
            client = client.resolve(name, address);
        }
    }
    Ok(match &trust.ca_cert {
        _ if trust.insecure => client.tls_danger_accept_invalid_certs(true),
        Some(path) => client.tls_backend_preconfigured(trust::only(path)?),
        None => client,
    })
}

/// Reads an address of the command line, which messages call `what`, by one of `schemes`; `example` is a right one, and
/// `instead` says how a user's name and password are given.
///
/// # Errors
/// A [`UsageError`] that names the URL and what is wrong with it.
pub fn given(
    what: &str,
    text: &str,
    schemes: &[&str],
    example: &str,
    instead: &str,
) -> Result<Url, UsageError> {
    let wrong = |why: &str| UsageError(format!("the {what} `{text}` {why}"));
    let url = Url::parse(text)
        .map_err(|error| wrong(&format!("is not a URL ({error}): give one like {example}")))?;
    if !schemes.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        let schemes = schemes.join(":// or ");
        return Err(wrong(&format!(
            "must begin with {schemes}://: give one like {example}"
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UsageError(format!(
            "the {what} holds a user name or password, which would be written into the results: {instead} instead"
        )));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a query or fragment: leave it out"));
    }
    Ok(url)
}

/// Whether the URL's host is this machine, as k6 (Go) takes it: a proxy's loopback is not ours.
pub fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Why a request failed, in words that say where to look: certificate, name, proxy or connection.
pub fn why(error: &reqwest::Error) -> String {
    let cause = root_cause(error);
    let chain = chain(error);
    if chain.contains("certificate") {
        return format!(
            "this machine does not trust its certificate ({cause}): name its authority with --ca-cert PATH, or set K6_INSECURE_SKIP_TLS_VERIFY=true if that is intended"
        );
    }
    if chain.contains("dns error") {
        return format!("its name cannot be resolved ({cause})");
    }
    if chain.contains("proxy") || chain.contains("tunnel") {
        return format!(
            "the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names does not pass it on ({cause})"
        );
    }
    cause
}

/// Where an answer sends its reader instead, if it does.
pub fn redirection(answer: &reqwest::blocking::Response) -> Option<String> {
    let to = answer.headers().get(reqwest::header::LOCATION);
    let to = to.and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
    answer
        .status()
        .is_redirection()
        .then(|| without_credentials(to).into_owned())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        words.push_str(": ");
        words.push_str(&error.to_string());
        next = error.source();
    }
    words.to_lowercase()
}

/// An address as it may be shown: without the user's name and password in it.
pub fn without_credentials(url: &str) -> Cow<'_, str> {
    let Some((front, rest)) = url.split_once("://") else {
        return Cow::Borrowed(url);
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rfind('@') {
        Some(at) => Cow::Owned(format!("{front}://{}", &rest[at + 1..])),
        None => Cow::Borrowed(url),
    }
}

/// The innermost cause of an error: the layers above it only repeat that a request failed.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use super::*;

    #[test]
    fn addresses_are_shown_without_credentials() {
        for (url, shown) in [
            (
                "https://me:s3@cret@mirror.example/k6",
                "https://mirror.example/k6",
            ),
            ("https://token@mirror.example", "https://mirror.example"),
            ("http://mirror.example/a@b", "http://mirror.example/a@b"),
            ("mirror", "mirror"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for (url, ours) in [
            ("http://localhost:3000", true),
            ("http://LOCALHOST", true),
            ("http://127.3.2.1/", true),
            ("http://[::1]:3000", true),
            ("http://192.0.2.1", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).unwrap()), ours, "{url}");
        }
    }

    #[test]
    fn refusals_and_unknown_names_are_told_apart() {
        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let ask = |url: &str| {
            let client = build(url, &Trust::default()).unwrap().build().unwrap();
            why(&client.get(url).send().unwrap_err())
        };
        let refused = ask(&format!("http://{closed}"));
        assert!(refused.contains("refused"), "{refused}");
        let unknown = ask("http://no-such-host.invalid/");
        assert!(unknown.contains("cannot be resolved"), "{unknown}");
    }

    #[test]
    fn a_name_is_resolved_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = pin(
            &format!("http://localhost:{port}/x"),
            Duration::from_secs(5),
        );
        assert_eq!(
            pinned()[&format!("localhost:{port}")],
            SocketAddr::from(([127, 0, 0, 1], port))
        );
        assert!(said.is_none_or(|said| said.ends_with("all load goes to 127.0.0.1")));
        assert_eq!(pin("http://127.0.0.1:1", Duration::from_secs(5)), None);
        assert_eq!(pinned().len(), 1);
    }

    /// A server with a certificate that it signed itself, as `openssl req -x509` makes them.
    fn self_signed_server() -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/");
        let cert = CertificateDer::from_pem_file(format!("{folder}localhost.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(format!("{folder}localhost.key.pem")).unwrap();
        let _provider = client();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, stream);
                // A client that does not trust us hangs up here.
                let mut request = [0; 1024];
                if stream.read(&mut request).is_ok() {
                    let answer = b"HTTP/1.1 302 Found\r\nLocation: https://me:pw@elsewhere.example/\r\nContent-Length: 0\r\n\r\n";
                    let _hung_up = stream.write_all(answer);
                }
            }
        });
        format!("https://localhost:{port}/")
    }

    #[test]
    fn certificates_are_checked_as_k6_is_told() {
        let url = self_signed_server();
        let ask = |trust: &Trust| {
            build(&url, trust)
                .unwrap()
                .build()
                .unwrap()
                .get(&url)
                .send()
        };
        let refused = why(&ask(&Trust::default()).unwrap_err());
        assert!(
            refused.contains("does not trust its certificate"),
            "{refused}"
        );
        let insecure = Trust {
            insecure: true,
            ca_cert: None,
        };
        let answer = ask(&insecure).unwrap();
        assert_eq!(redirection(&answer).unwrap(), "https://elsewhere.example/");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/");
        let named = |name: &str| Trust {
            insecure: false,
            ca_cert: Some(format!("{folder}{name}").into()),
        };
        assert!(ask(&named("localhost.pem")).is_ok());
        let other = why(&ask(&named("other.pem")).unwrap_err());
        assert!(other.contains("does not trust its certificate"), "{other}");
        let missing = build(&url, &named("missing.pem")).unwrap_err().to_string();
        assert!(missing.contains("missing.pem"), "{missing}");
    }
}
