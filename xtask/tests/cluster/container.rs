//! A container: a process of this machine with the files and variables that its pod asks for.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cluster::HOST;
use crate::store::State;
use crate::support::k6;

/// Text as a ConfigMap's `binaryData` and a Secret have it.
pub fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

/// A container to be.
pub struct Container<'a> {
    /// The folder that stands for its files.
    pub dir: &'a Path,
    /// Its pod.
    pub pod: &'a Value,
    /// The address of loopback that stands for the pod's.
    pub address: &'a str,
}

impl Container<'_> {
    /// Starts its process with its files, its variables, and nothing else.
    pub fn spawn(&self, state: &State) -> Child {
        let container = &self.pod["spec"]["containers"][0];
        let namespace = self.pod["metadata"]["namespace"].as_str().unwrap();
        self.mount(state, namespace);
        self.know_hosts();
        let variables: Vec<(String, String)> = container["env"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|variable| {
                let value = match variable["valueFrom"].get("secretKeyRef") {
                    Some(entry) => {
                        let place = (
                            "secrets",
                            namespace.to_owned(),
                            entry["name"].as_str().unwrap().to_owned(),
                        );
                        let value =
                            &state.get(&place).unwrap()["data"][entry["key"].as_str().unwrap()];
                        String::from_utf8(decoded(value)).unwrap()
                    }
                    None => self.here(&expanded(
                        variable["value"].as_str().unwrap_or_default(),
                        &[],
                    )),
                };
                (variable["name"].as_str().unwrap().to_owned(), value)
            })
            .collect();
        let command: Vec<String> = container["command"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| self.here(&expanded(word.as_str().unwrap(), &variables)))
            .collect();
        let programs = k6().parent().unwrap().display();
        Command::new(&command[0])
            .args(&command[1..])
            .env_clear()
            .env("PATH", format!("{programs}:/usr/local/bin:/usr/bin:/bin"))
            .env("HOME", self.dir)
            .envs(variables)
            .current_dir(self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Puts the ConfigMap's files where `/test` is.
    fn mount(&self, state: &State, namespace: &str) {
        let Some(map) = self.pod["spec"]["volumes"][0].get("configMap") else {
            return;
        };
        let folder = self.dir.join("test");
        std::fs::create_dir_all(&folder).unwrap();
        let map = (
            "configmaps",
            namespace.to_owned(),
            map["name"].as_str().unwrap().to_owned(),
        );
        let map = state.get(&map).unwrap();
        for (name, text) in map["binaryData"].as_object().into_iter().flatten() {
            std::fs::write(folder.join(name), decoded(text)).unwrap();
        }
        for (name, text) in map["data"].as_object().into_iter().flatten() {
            std::fs::write(folder.join(name), text.as_str().unwrap()).unwrap();
        }
    }

    /// What a cluster's name service would answer, k6 reads in a file of its own.
    fn know_hosts(&self) {
        let hosts = json!({"hosts": {HOST: "127.0.0.1"}}).to_string();
        for folder in [".config/k6", ".config/loadimpact/k6"] {
            let folder = self.dir.join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("config.json"), &hosts).unwrap();
        }
    }

    /// A word of the container as it has to be here.
    fn here(&self, word: &str) -> String {
        let dir = self.dir.display();
        // In this order: the folder itself may be in `/tmp`.
        word.replace("/tmp/", &format!("{dir}/tmp/"))
            .replace("/test/", &format!("{dir}/test/"))
            .replace("/dev/termination-log", &format!("{dir}/termination-log"))
            .replace("0.0.0.0:6565", &format!("{}:6565", self.address))
    }
}

fn decoded(text: &Value) -> Vec<u8> {
    STANDARD.decode(text.as_str().unwrap()).unwrap()
}

/// `text` with variables in the place of `$(NAME)`, and one dollar in that of two.
///
/// Source: <https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/>.
fn expanded(text: &str, variables: &[(String, String)]) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        done += before;
        let name = after
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'));
        let value = name.and_then(|(name, _)| variables.iter().find(|(known, _)| known == name));
        rest = match (after.strip_prefix('$'), name, value) {
            (Some(after), ..) => {
                done.push('$');
                after
            }
            (None, Some((_, after)), Some((_, value))) => {
                done += value;
                after
            }
            _ => {
                done.push('$');
                after
            }
        };
    }
    done + rest
}

#[test]
fn variables_stand_in_words_as_kubernetes_puts_them() {
    let variables = [("A".to_owned(), "1".to_owned())];
    for (word, expected) in [
        ("plain", "plain"),
        ("$(A)-$(A)", "1-1"),
        ("$$(A)", "$(A)"),
        ("$(B) $A $", "$(B) $A $"),
        ("$$$(A)", "$1"),
    ] {
        assert_eq!(expanded(word, &variables), expected, "{word}");
    }
}
