//! How a configuration is read: what it means, and what is refused, by the file, the key and the remedy.

#[cfg(test)]
mod devices;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod listeners;
#[cfg(test)]
mod seats;
#[cfg(test)]
mod zones;

use std::path::Path;

use hearing_config::Config;

fn parse(text: &str) -> Result<Config, hearing_config::Error> {
    Config::parse(text, Path::new("/etc/hearing/node.toml"))
}

/// The edge's configuration with one piece replaced.
fn edited(from: &str, to: &str) -> String {
    assert!(EDGE.contains(from), "{from}");
    EDGE.replacen(from, to, 1)
}

fn refuses(text: &str, pieces: &[&str]) {
    let error = parse(text).expect_err("must be refused").to_string();
    assert!(error.starts_with("/etc/hearing/node.toml:"), "{error}");
    for piece in pieces {
        assert!(error.contains(piece), "{piece:?} is not in: {error}");
    }
}

fn template(name: &str, seats: &[String]) -> String {
    format!("\n[[template]]\nname = \"{name}\"\ntitle = \"庭审\"\ntitle_en = \"Hearing\"\n{}", seats.concat())
}

fn seat(name: &str, zone: &str, more: &str) -> String {
    format!(
        "\n[[template.seat]]\nname = \"{name}\"\ntitle = \"席\"\ntitle_en = \"Seat\"\nrole = \"judge\"\nzone = \"{zone}\"\n{more}\n"
    )
}

const SIP: &str = "[sip]\nudp = \"127.0.0.2:5060\"\n";
const EDGE: &str = r#"
[node]
id = "gov-edge"
zone = "gov"
data = "data"

[web]
bind = "127.0.0.2:8080"
url = "http://127.0.0.2:8080"

[media]
bind = "127.0.0.2:40000"
workers = 1

[admin]
listen = "127.0.0.2:9100"

[pki]
root = "root.pem"
certificate = "gov-edge.pem"
key = "gov-edge.key"
revoked = "revoked.crl"

[[trunk]]
peer = "court"
zone = "tripartite"
dial = "10.30.0.5:7443"
vouches = ["tripartite"]

[[crossing]]
from = "gov"
to = "tripartite"
roles = ["prosecutor"]
kinds = ["audio", "video"]
"#;
