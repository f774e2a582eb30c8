//! The command line of `manifest`.

use clap::{Args, ValueEnum};

use super::load_test::{FindK6, Load, group};

const AFTER: &str = "\
Examples:
  cargo xtask manifest smoke health --vus-scale 2 --runners 2 \\
      --base-url http://tachikoma.staging.svc:3000
                        two users, each in a pod of its own
  cargo xtask manifest stress missions --vus-scale 100 --runners 16 \\
      --namespace load --api-key-secret load-test \\
      --base-url http://tachikoma.staging.svc:3000 | kubectl create -f -
                        up to 10,000 users, who show the key of a Secret

Exit codes:
  0            the manifest is on standard output
  2            the command line is wrong
  3            k6 is missing, or cannot pack a script
  129 130 143  interrupted by SIGHUP, Ctrl-C or SIGTERM

The guide is load-tests/cluster.md.";

/// The starter's image: that of the operator's version which the manifest is written for.
pub const STARTER: &str = "ghcr.io/grafana/k6-operator:starter-v1.6.0";

/// Arguments of `manifest`.
#[derive(Debug, Args)]
#[command(after_long_help = AFTER, after_help = "Examples and exit codes are in --help.")]
pub struct Manifest {
    /// Which load, and where to.
    #[command(flatten)]
    pub load: Load,

    /// The namespace [default: that of kubectl's context].
    #[arg(help_heading = group::CLUSTER, long, value_name = "NAME", value_parser = name)]
    pub namespace: Option<String>,

    /// Which runners make it.
    #[command(flatten)]
    pub runners: Runners,

    /// Options for finding k6, which packs the scripts.
    #[command(flatten)]
    pub k6: FindK6,
}

/// The k6 that share a load, and their pods.
#[derive(Debug, Args)]
pub struct Runners {
    /// How many k6 share the load, each in a pod of its own.
    #[arg(help_heading = group::CLUSTER, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub runners: u32,

    /// The image with k6 [default: grafana/k6 of the version of the k6 that is used here].
    #[arg(help_heading = group::CLUSTER, long, value_name = "IMAGE", value_parser = image)]
    pub image: Option<String>,

    /// The image with curl, which has all runners begin.
    #[arg(help_heading = group::CLUSTER, long, value_name = "IMAGE", default_value = STARTER, value_parser = image)]
    pub starter_image: String,

    /// A Secret of the namespace that the images are pulled with.
    #[arg(help_heading = group::CLUSTER, long, value_name = "NAME", value_parser = name)]
    pub image_pull_secret: Option<String>,

    /// The Secret of the namespace with the server's key, and which of its entries that is [default: API_KEY].
    #[arg(help_heading = group::CLUSTER, long, value_name = "NAME[/KEY]", value_parser = secret_entry)]
    pub api_key_secret: Option<SecretEntry>,

    /// The processors that each runner asks for; it may take more.
    #[arg(help_heading = group::CLUSTER, long, value_name = "QUANTITY", default_value = "1", value_parser = quantity)]
    pub cpu: String,

    /// The memory that each runner asks for, and never gets more of.
    #[arg(help_heading = group::CLUSTER, long, value_name = "QUANTITY", default_value = "1Gi", value_parser = quantity)]
    pub memory: String,

    /// Whether the runners must be spread evenly over the nodes.
    #[arg(help_heading = group::CLUSTER, long, value_enum, default_value_t = Spread::Prefer)]
    pub spread: Spread,
}

/// An entry of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretEntry {
    /// The Secret.
    pub name: String,
    /// The entry.
    pub key: String,
}

/// How the runners are spread over the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spread {
    /// Evenly where there is room.
    Prefer,
    /// Evenly, or a runner waits, and with it all of them.
    Require,
}

/// A name as most of Kubernetes' objects have it.
///
/// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>.
pub(super) fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = text.starts_with(plain)
        && text.ends_with(plain)
        && text.len() <= 63
        && text.chars().all(|c| plain(c) || c == '-');
    good.then(|| text.to_owned()).ok_or_else(|| {
        "a name is made of a to z, 0 to 9 and - between them, 63 characters at most".into()
    })
}

fn secret_entry(text: &str) -> Result<SecretEntry, String> {
    let (secret, key) = text.split_once('/').unwrap_or((text, "API_KEY"));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if key.is_empty() || !key.chars().all(plain) {
        return Err("an entry of a Secret is made of letters, digits, -, _ and .".into());
    }
    Ok(SecretEntry {
        name: name(secret)?,
        key: key.into(),
    })
}

/// An image that is the same on every node, today and tomorrow.
pub(super) fn image(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@".contains(c);
    let last = text.rsplit('/').next().unwrap_or_default();
    let tag = last.rsplit_once(':').map_or("", |(_, tag)| tag);
    match tag {
        _ if !text.chars().all(plain) => Err("that is no name of an image".into()),
        "" | "latest" => Err(
            "name its version, as in grafana/k6:1.1.0: another node may have another one".into(),
        ),
        _ => Ok(text.into()),
    }
}

/// An amount as Kubernetes writes it, without a sign or an exponent.
///
/// Source: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.
fn quantity(text: &str) -> Result<String, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text[..text.len() - unit.len()].parse::<f64>();
    let units = ["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"];
    let good = number.is_ok_and(|number| number > 0.0) && units.contains(&unit);
    good.then(|| text.to_owned())
        .ok_or_else(|| "a quantity is a positive number and a unit, as in 2, 500m or 1Gi".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_would_refuse_or_nodes_understand_differently_is_refused() {
        for (good, bad) in [("load", "Load"), ("a-1", "-a"), ("a", "a_b")] {
            assert_eq!(name(good).as_deref(), Ok(good));
            assert!(name(bad).is_err(), "{bad}");
        }
        assert!(name(&"a".repeat(64)).is_err());
        for good in ["2", "500m", "1.5", "1Gi", "200M"] {
            assert_eq!(quantity(good).as_deref(), Ok(good));
        }
        for bad in ["", "0", "-1", "1 Gi", "1gb", "Gi", "1e3", "1..2"] {
            assert!(quantity(bad).is_err(), "{bad}");
        }
        for good in ["grafana/k6:1.1.0", "localhost:5000/k6:1", "a/k6@sha256:0f"] {
            assert_eq!(image(good).as_deref(), Ok(good));
        }
        for bad in [
            "grafana/k6",
            "grafana/k6:latest",
            "localhost:5000/k6",
            "",
            "a b:1",
        ] {
            assert!(image(bad).is_err(), "{bad}");
        }
        let entry = |text| secret_entry(text).map(|entry| (entry.name, entry.key));
        assert_eq!(entry("load"), Ok(("load".into(), "API_KEY".into())));
        assert_eq!(entry("load/the.key"), Ok(("load".into(), "the.key".into())));
        for bad in ["", "load/", "/key", "load/a/b", "LOAD"] {
            assert!(entry(bad).is_err(), "{bad}");
        }
    }
}
