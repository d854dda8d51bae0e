//! How a verb finds its node.

use std::path::{Path, PathBuf};

use hearing_config::Config;

use super::client::Client;

/// Which node is asked, and how it is told.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Reach {
    /// 管理接口 The node's admin socket [环境变量 env: HEARING_ADMIN]
    #[arg(long, value_name = "PATH")]
    pub(super) admin: Option<PathBuf>,
    /// 节点配置 The node's configuration, to find its admin socket
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// 输出 JSON Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Reach {
    /// A client of the node that is meant.
    ///
    /// # Errors
    /// When the configuration that is needed to find it can't be used.
    pub(super) fn client(&self) -> Result<Client, hearing_config::Error> {
        self.socket(std::env::var_os("HEARING_ADMIN").map(PathBuf::from)).map(|socket| Client::new(&socket))
    }

    fn socket(&self, variable: Option<PathBuf>) -> Result<PathBuf, hearing_config::Error> {
        match (&self.admin, &self.config, variable) {
            (Some(socket), _, _) => Ok(socket.clone()),
            (None, Some(file), _) => Ok(Config::load(file)?.admin.socket),
            (None, None, Some(socket)) => Ok(socket),
            (None, None, None) if Path::new(CONFIG).exists() => Ok(Config::load(Path::new(CONFIG))?.admin.socket),
            (None, None, None) => Ok(PathBuf::from(SOCKET)),
        }
    }
}

/// Where a node's configuration is looked for.
pub(super) const CONFIG: &str = "/etc/hearing/node.toml";
const SOCKET: &str = "/run/hearing/admin.sock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_names_the_socket() {
        let reach = |admin: Option<&str>| Reach { admin: admin.map(Into::into), config: None, json: false };
        assert_eq!(reach(Some("/a")).socket(Some("/b".into())).unwrap(), Path::new("/a"));
        assert_eq!(reach(None).socket(Some("/b".into())).unwrap(), Path::new("/b"));
    }

    #[test]
    fn a_configuration_that_is_named_goes_before_the_environment() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/courtroom.toml");
        let reach = Reach { admin: None, config: Some(example), json: false };
        assert_eq!(reach.socket(Some("/b".into())).unwrap(), Path::new("/run/hearing/admin.sock"));
    }
}
