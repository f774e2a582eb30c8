//! Names of functions as people write them.

/// The name without the compiler's hash, what stands in `<…>`, and what it made of closures: `a::B<T>::c::{{closure}}` is
/// `a::B::c`, and `<a::B<T> as d::E>::f` is `a::B::f`. Names of other languages stay as they are.
pub fn readable(name: &str) -> String {
    let name = name.split('\'').next().unwrap_or(name);
    let name = without_hash(name.trim());
    if let Some(dropped) = name.strip_prefix("core::ptr::drop_in_place<") {
        let dropped = dropped.strip_suffix('>').unwrap_or(dropped);
        return format!("drop of {}", readable(dropped));
    }
    let path = path(name);
    let parts = path
        .split("::")
        .filter(|part| !part.is_empty() && *part != "_" && !part.starts_with('{'));
    let path = parts.collect::<Vec<_>>().join("::");
    if path.is_empty() {
        name.to_owned()
    } else {
        path
    }
}

/// Without the sixteen hexadecimal digits that tell one build's function from another's.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((rest, hash)) if hash.len() == 16 && hash.bytes().all(|c| c.is_ascii_hexdigit()) => {
            rest
        }
        _ => name,
    }
}

/// Without `<…>`, of which `<A as B>` and `<impl B for A>` are A, or B if A is a parameter such as `F`.
fn path(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some(at) = rest.find('<') {
        let (before, inside) = (&rest[..at], &rest[at + 1..]);
        // C++ has operators of these signs.
        if before.ends_with("operator") {
            return name.to_owned();
        }
        out += before;
        let end = closing(inside);
        let is_type = before.is_empty() || before.ends_with("::");
        let (of, after) = (&inside[..end], inside.get(end + 1..).unwrap_or_default());
        if is_type && (before.is_empty() || of.starts_with("impl ")) {
            // What stands before an implementation is the module that it is written in.
            if of.starts_with("impl ") {
                out.clear();
            }
            out += &implementer(of);
        }
        rest = after;
    }
    out + rest
}

/// Where the bracket that is open at the beginning is closed; the end if it never is.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before == '-' => {}
            '>' if depth == 0 => return at,
            '>' => depth -= 1,
            _ => {}
        }
        before = c;
    }
    text.len()
}

/// The type that a trait is implemented for, or the trait where that is a mere parameter.
fn implementer(text: &str) -> String {
    let (of, as_what) = match text.strip_prefix("impl ") {
        Some(of) => match split(of, " for ") {
            Some((what, of)) => (of, Some(what)),
            None => (of, None),
        },
        None => match split(text, " as ") {
            Some((of, what)) => (of, Some(what)),
            None => (text, None),
        },
    };
    let of = of.trim_start_matches(['&', '*', ' ']);
    let of = of.strip_prefix("mut ").unwrap_or(of);
    let is_path = of.contains("::") && !of.starts_with(['(', '[']);
    match as_what {
        Some(what) if !is_path => path(what),
        _ => path(of),
    }
}

/// Splits at `separator` outside of brackets.
fn split<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ if depth == 0 && text[at..].starts_with(separator) => {
                return Some((&text[..at], &text[at + separator.len()..]));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_are_written() {
        for (name, expected) in [
            ("fdatasync", "fdatasync"),
            ("a::b::h0123456789abcdef", "a::b"),
            ("std::hash::hash", "std::hash::hash"),
            (
                "server::serve::connection::{{closure}}",
                "server::serve::connection",
            ),
            (
                "core::ops::function::FnOnce::call_once{{vtable.shim}}",
                "core::ops::function::FnOnce::call_once{{vtable.shim}}",
            ),
            (
                "tokio::runtime::task::harness::Harness<T,S>::poll",
                "tokio::runtime::task::harness::Harness::poll",
            ),
            (
                "<F as axum::handler::Handler<(M,T1),S>>::call::{{closure}}",
                "axum::handler::Handler::call",
            ),
            (
                "<&mut serde_json::de::Deserializer<R> as serde_core::de::Deserializer>::deserialize_string",
                "serde_json::de::Deserializer::deserialize_string",
            ),
            (
                "server::mission::_::<impl serde_core::ser::Serialize for server::mission::Mission>::serialize",
                "server::mission::Mission::serialize",
            ),
            (
                "<std::sys::thread::unix::Thread>::new::thread_start",
                "std::sys::thread::unix::Thread::new::thread_start",
            ),
            (
                "core::ptr::drop_in_place<<server::create as axum::Handler<(A,fn() -> B),C>>::call::{{closure}}>",
                "drop of server::create::call",
            ),
            (
                "tokio::handle::<impl tokio::task::Schedule for alloc::sync::Arc<tokio::handle::Handle>>::yield_now",
                "alloc::sync::Arc::yield_now",
            ),
            (
                "std::vector<int, std::allocator<int> >::push_back(int const&)",
                "std::vector::push_back(int const&)",
            ),
            ("operator<<(std::ostream&)", "operator<<(std::ostream&)"),
            ("a::b'2", "a::b"),
            ("main.(*Server).list", "main.(*Server).list"),
            ("a::b<c::D<E", "a::b"),
            ("<", "<"),
            ("[unknown]", "[unknown]"),
        ] {
            assert_eq!(readable(name), expected, "{name}");
        }
    }
}
