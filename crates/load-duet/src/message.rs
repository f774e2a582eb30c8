//! HTTP/1.1 messages on a socket (RFC 9112): where a message ends, and nothing else of the protocol. `httparse` reads
//! the heads.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Names and values, in their order.
pub type Headers = Vec<(String, String)>;

/// The most header lines of a message.
const MAX_HEADERS: usize = 128;
/// The largest head of a message, in bytes.
const MAX_HEAD: u64 = 256 * 1024;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request. Its body is as long as it is: `Content-Length` is written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// Without those that belong to the connection.
    pub headers: Headers,
    /// The body; may be empty.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// All of its headers.
    pub headers: Headers,
    /// The body, without the frames of chunks.
    pub body: Vec<u8>,
    /// Everything as it came.
    pub raw: Vec<u8>,
}

impl Request {
    /// Whether it asks for another protocol, as a WebSocket does.
    pub fn is_upgrade(&self) -> bool {
        header(&self.headers, "upgrade").is_some()
    }

    /// The request as it goes to the server at `host`.
    pub fn to_bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {host}\r\n",
            self.method, self.target
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || !matches!(self.method.as_str(), "GET" | "HEAD") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}

/// The first header called `name`, in small letters.
pub fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let found = headers
        .iter()
        .find(|(its, _)| its.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    open: Option<BufReader<TcpStream>>,
}

impl Connection {
    /// To the server at `address`, opened with the first request.
    pub fn to(address: SocketAddr) -> Self {
        Self {
            address,
            open: None,
        }
    }

    /// Sends a request of `method` as it is and reads its answer. After an error the next one goes over a new connection.
    ///
    /// # Errors
    /// If there is no connection, no answer, or it takes too long.
    pub fn exchange(&mut self, method: &str, request: &[u8]) -> io::Result<Answer> {
        let mut stream = match self.open.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        stream.get_mut().write_all(request)?;
        let (answer, stays_open) = read_answer(&mut stream, method)?;
        if stays_open {
            self.open = Some(stream);
        }
        Ok(answer)
    }

    /// Opens the connection if it is not open, so that no request is timed with it.
    ///
    /// # Errors
    /// If nothing listens there.
    pub fn open(&mut self) -> io::Result<()> {
        if self.open.is_none() {
            self.open = Some(connect(self.address)?);
        }
        Ok(())
    }
}

fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(BufReader::with_capacity(64 * 1024, stream))
}

/// Reads a request; `None` if the connection ends before one begins.
///
/// # Errors
/// If it breaks off or is no HTTP/1.1.
pub fn read_request(from: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut raw = Vec::new();
    let Some(end) = read_head(from, &mut raw)? else {
        return Ok(None);
    };
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut lines);
    head.parse(&raw[..end]).map_err(malformed)?;
    let (method, target) = (
        head.method.unwrap_or_default(),
        head.path.unwrap_or_default(),
    );
    let (method, target) = (method.to_owned(), target.to_owned());
    let headers = owned(head.headers);
    let body = read_body(from, &mut raw, length(&headers, Some(0))?)?;
    // Those of the connection; the rest goes on.
    let hop = ["host", "connection", "content-length", "transfer-encoding"];
    let stays =
        |(name, _): &(String, String)| !hop.iter().any(|hop| name.eq_ignore_ascii_case(hop));
    Ok(Some(Request {
        method,
        target,
        headers: headers.into_iter().filter(stays).collect(),
        body,
    }))
}

/// Reads the answer to a request of `method`, and whether the connection can be used again.
fn read_answer(from: &mut impl BufRead, method: &str) -> io::Result<(Answer, bool)> {
    let mut raw = Vec::new();
    loop {
        let begin = raw.len();
        let end = read_head(from, &mut raw)?
            .ok_or_else(|| io::Error::new(ErrorKind::UnexpectedEof, "it closed the connection"))?;
        let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut lines);
        head.parse(&raw[begin..end]).map_err(malformed)?;
        let status = head.code.unwrap_or_default();
        let is_old = head.version == Some(0);
        let headers = owned(head.headers);
        // RFC 9110, 15.2: a final answer follows an interim one.
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let has_none = method == "HEAD" || matches!(status, 101 | 204 | 304);
        let until_closed = Length::UntilClosed;
        let length = match has_none {
            true => Length::Of(0),
            false => length(&headers, None)?,
        };
        let closes =
            header(&headers, "connection").is_some_and(|it| it.eq_ignore_ascii_case("close"));
        let stays_open = !closes && !is_old && length != until_closed;
        let body = read_body(from, &mut raw, length)?;
        let answer = Answer {
            status,
            headers,
            body,
            raw,
        };
        return Ok((answer, stays_open));
    }
}

fn owned(headers: &[httparse::Header<'_>]) -> Headers {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let both = |header: &httparse::Header<'_>| (header.name.to_owned(), text(header.value));
    headers.iter().map(both).collect()
}

/// Appends a head to `raw` and returns where it ends; `None` if nothing came.
fn read_head(from: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let begin = raw.len();
    loop {
        let left = MAX_HEAD.saturating_sub((raw.len() - begin) as u64);
        let read = from.by_ref().take(left).read_until(b'\n', raw)?;
        if read == 0 || raw.last() != Some(&b'\n') {
            return match raw.len() == begin {
                true => Ok(None),
                false => Err(broken("its head breaks off, or does not end")),
            };
        }
        if raw[begin..].ends_with(b"\r\n\r\n") {
            return Ok(Some(raw.len()));
        }
    }
}

/// How long a body is: RFC 9112, 6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Of(u64),
    Chunked,
    UntilClosed,
}

/// The length that `headers` say; without one it is `else_of`, or everything until the end of the connection.
fn length(headers: &Headers, else_of: Option<u64>) -> io::Result<Length> {
    if let Some(coding) = header(headers, "transfer-encoding") {
        return match coding.to_ascii_lowercase().ends_with("chunked") {
            true => Ok(Length::Chunked),
            false => Err(broken("its transfer encoding is not known")),
        };
    }
    match (header(headers, "content-length"), else_of) {
        (Some(text), _) => text
            .parse()
            .map(Length::Of)
            .map_err(|_| broken("its length is no number")),
        (None, Some(bytes)) => Ok(Length::Of(bytes)),
        (None, None) => Ok(Length::UntilClosed),
    }
}

/// Appends a body to `raw` as it comes, and returns it without frames.
fn read_body(from: &mut impl BufRead, raw: &mut Vec<u8>, length: Length) -> io::Result<Vec<u8>> {
    let begin = raw.len();
    match length {
        Length::Of(bytes) => {
            let read = from.by_ref().take(bytes).read_to_end(raw)?;
            if read as u64 != bytes {
                return Err(broken("its body breaks off"));
            }
            Ok(raw[begin..].to_vec())
        }
        Length::UntilClosed => {
            from.read_to_end(raw)?;
            Ok(raw[begin..].to_vec())
        }
        Length::Chunked => {
            let mut body = Vec::new();
            loop {
                let line = raw.len();
                from.by_ref().take(MAX_HEAD).read_until(b'\n', raw)?;
                let size = match httparse::parse_chunk_size(&raw[line..]) {
                    Ok(httparse::Status::Complete((_, size))) => size,
                    Ok(httparse::Status::Partial) | Err(_) => {
                        return Err(broken("a chunk has no size"));
                    }
                };
                if size == 0 {
                    // Trailers, if any, and the empty line.
                    while !raw.ends_with(b"\r\n\r\n") {
                        let line = from.by_ref().take(MAX_HEAD).read_until(b'\n', raw)?;
                        if line == 0 {
                            return Err(broken("its last chunk breaks off"));
                        }
                    }
                    return Ok(body);
                }
                let data = raw.len();
                let read = from.by_ref().take(size + 2).read_to_end(raw)?;
                if read as u64 != size + 2 {
                    return Err(broken("a chunk breaks off"));
                }
                body.extend_from_slice(&raw[data..raw.len() - 2]);
            }
        }
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        format!("the message cannot be read: {what}"),
    )
}

fn malformed(error: httparse::Error) -> io::Error {
    broken(&error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, method: &str) -> io::Result<(Answer, bool)> {
        read_answer(&mut text.as_bytes(), method)
    }

    #[test]
    fn answers_end_where_their_heads_say() {
        let rest = "HTTP/1.1 200 OK\r\n\r\nnext";
        for (text, method, status, body, stays_open) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                "GET",
                200,
                "ok",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
                "HEAD",
                200,
                "",
                true,
            ),
            (
                "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
                "DELETE",
                204,
                "",
                false,
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\nx",
                "POST",
                201,
                "x",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nTrailer: x\r\n\r\n",
                "GET",
                200,
                "abcd",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "GET",
                200,
                "",
                true,
            ),
        ] {
            let (found, open) = answer(&format!("{text}{rest}"), method).unwrap();
            assert_eq!(
                (found.status, found.body.as_slice()),
                (status, body.as_bytes()),
                "{text}"
            );
            assert_eq!(
                (found.raw.as_slice(), open),
                (text.as_bytes(), stays_open),
                "{text}"
            );
        }
        let (found, open) = answer("HTTP/1.1 200 OK\r\n\r\nuntil the end", "GET").unwrap();
        assert_eq!(
            (found.body.as_slice(), open),
            (&b"until the end"[..], false)
        );
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
            "HTTP/1.1 200",
            "SSH-2.0-server\r\n\r\n",
        ] {
            assert!(answer(text, "GET").is_err(), "{text}");
        }
    }

    #[test]
    fn a_request_is_written_as_it_was_read() {
        let text = "POST /a?b=c HTTP/1.1\r\nHost: here\r\nUser-Agent: k6\r\nContent-Length: 2\r\nX: y\r\n\r\nhi";
        let mut from = text.as_bytes();
        let request = read_request(&mut from).unwrap().unwrap();
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/a?b=c")
        );
        assert!(!request.is_upgrade());
        assert_eq!(read_request(&mut from).unwrap(), None);
        let written = String::from_utf8(request.to_bytes("there")).unwrap();
        assert_eq!(
            written,
            "POST /a?b=c HTTP/1.1\r\nHost: there\r\nUser-Agent: k6\r\nX: y\r\nContent-Length: 2\r\n\r\nhi"
        );
    }
}
