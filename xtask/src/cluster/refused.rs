//! What kubectl says when it fails, and what to do then.

use std::fmt;

/// Why kubectl failed, by its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// kubectl has no such context, or none at all.
    Context,
    /// Nothing answers at the server's address.
    Server,
    /// The server does not know the user.
    User,
    /// The user may not.
    Rights,
    /// There is no such namespace.
    Namespace,
    /// The cluster does not know TestRuns.
    Crd,
    /// There is no such object.
    NotFound,
    /// Anything else.
    Other,
}

/// A failure of kubectl's.
#[derive(Debug, Clone, thiserror::Error)]
pub struct Refused {
    /// What kind of failure.
    pub kind: RefusalKind,
    /// kubectl's own words.
    pub words: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            RefusalKind::Context => {
                "kubectl has no such context: see `kubectl config get-contexts`, and name one with --context"
            }
            RefusalKind::Server => "the cluster's API server cannot be reached",
            RefusalKind::User => "the cluster does not know you: log in as its provider says",
            RefusalKind::Rights => {
                "you lack a right on the cluster: load-tests/cluster.md lists them"
            }
            RefusalKind::Namespace => {
                "there is no such namespace: create it, or name another with --namespace"
            }
            RefusalKind::Crd => "the cluster knows no TestRuns: install k6-operator",
            RefusalKind::NotFound => "there is no such object",
            RefusalKind::Other => "kubectl failed",
        };
        write!(f, "{what}; kubectl says: {}", self.words)
    }
}

impl Refused {
    /// By what kubectl wrote to standard error.
    pub fn by(words: &str) -> Self {
        // Before it gives up, kubectl logs each of its tries.
        let is_log = |line: &&str| {
            let mut chars = line.chars();
            matches!(chars.next(), Some('E' | 'W' | 'I'))
                && chars.by_ref().take(4).all(|c| c.is_ascii_digit())
        };
        let said: Vec<&str> = words.lines().filter(|line| !is_log(line)).collect();
        let words = match said.is_empty() {
            true => words.trim().to_owned(),
            false => said.join(" ").trim().to_owned(),
        };
        let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        let kind = match () {
            () if has(&[
                "context was not found",
                "cannot locate context",
                "current-context",
            ]) || words.contains("context \"") && words.contains("does not exist") =>
            {
                RefusalKind::Context
            }
            () if has(&["(Forbidden)", "is forbidden"]) => RefusalKind::Rights,
            () if has(&["(Unauthorized)", "must be logged in", "getting credentials"]) => {
                RefusalKind::User
            }
            () if has(&[
                "was refused",
                "no such host",
                "Unable to connect",
                "i/o timeout",
                "connection refused",
                "connection reset",
                "deadline exceeded",
                "x509",
                "TLS handshake",
                "network is unreachable",
            ]) =>
            {
                RefusalKind::Server
            }
            () if words.contains("namespaces \"") && words.contains("not found") => {
                RefusalKind::Namespace
            }
            () if has(&[
                "doesn't have a resource type",
                "no matches for kind",
                "could not find the requested resource",
            ]) =>
            {
                RefusalKind::Crd
            }
            () if has(&["(NotFound)", "not found"]) => RefusalKind::NotFound,
            () => RefusalKind::Other,
        };
        Self { kind, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectls_failures_are_told_apart() {
        for (words, kind) in [
            (
                "error: current-context must exist in order to minify",
                RefusalKind::Context,
            ),
            ("error: cannot locate context nope", RefusalKind::Context),
            (
                "error: context \"nope\" does not exist",
                RefusalKind::Context,
            ),
            (
                "E1126 23:09:44.492824   29931 memcache.go:265] \"Unhandled Error\" err=\"(Forbidden)\"\nThe connection to the server 127.0.0.1:9 was refused - did you specify the right host or port?",
                RefusalKind::Server,
            ),
            (
                "Unable to connect to the server: dial tcp: lookup a.invalid: no such host",
                RefusalKind::Server,
            ),
            (
                "error: You must be logged in to the server (Unauthorized)",
                RefusalKind::User,
            ),
            (
                "Error from server (Forbidden): pods is forbidden: User \"u\" cannot list resource \"pods\" in API group \"\" in the namespace \"load\"",
                RefusalKind::Rights,
            ),
            (
                "Error from server (NotFound): error when creating \"a.yaml\": namespaces \"load\" not found",
                RefusalKind::Namespace,
            ),
            (
                "Error from server (NotFound): the server could not find the requested resource",
                RefusalKind::Crd,
            ),
            (
                "error: resource mapping not found for name: \"a\" namespace: \"\" from \"a.yaml\": no matches for kind \"TestRun\" in version \"k6.io/v1alpha1\"",
                RefusalKind::Crd,
            ),
            (
                "error: the server doesn't have a resource type \"testruns\"",
                RefusalKind::Crd,
            ),
            (
                "Error from server (NotFound): pods \"a\" not found",
                RefusalKind::NotFound,
            ),
            ("error: something else", RefusalKind::Other),
        ] {
            assert_eq!(Refused::by(words).kind, kind, "{words}");
        }
        let refused =
            Refused::by("E1126 23:09:44.4 1 a.go:2] \"b\"\nUnable to connect to the server: x");
        assert!(
            refused
                .to_string()
                .ends_with("says: Unable to connect to the server: x"),
            "{refused}"
        );
    }
}
