//! From the configuration to what each part of a node is told.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use hearing_config::{Config, Zone};
use hearing_proto::manifest::HashAlg;
use hearing_signaling::{http, registry};

use super::Error;
use crate::net::clock::NodeClock;
use crate::net::tls::{Identity, TrunkTls};
use crate::record::keep::http::Keeping;
use crate::record::{self, keep, spool};
use crate::trunk;

pub(super) fn read_turn(turn: &hearing_config::Turn) -> Result<http::Turn, Error> {
    let text = std::fs::read_to_string(&turn.secret)
        .map_err(|source| Error::TurnSecret { path: turn.secret.clone(), source })?;
    let secret = text.trim().as_bytes().to_vec();
    if secret.len() < SHORTEST_SECRET {
        let source = io::Error::other(format!("it holds {} characters, {SHORTEST_SECRET} are needed", secret.len()));
        return Err(Error::TurnSecret { path: turn.secret.clone(), source });
    }
    Ok(http::Turn { urls: turn.urls.clone(), secret, seconds: u32::from(turn.minutes) * 60 })
}

pub(super) fn second_store(config: &Config) -> Result<Option<keep::Store>, Error> {
    let Some(backup) = &config.record.backup else { return Ok(None) };
    let recipients = keep::Recipients::parse(&backup.recipients)?;
    Ok(Some(keep::Store::directory(&backup.directory, recipients)?))
}

pub(super) fn keeping(config: &Config, copy: Option<keep::Store>) -> Keeping {
    Keeping { directory: config.record.directory.clone(), keep_days: config.record.keep_days, copy }
}

pub(super) fn record_settings(config: &Config, tls: &TrunkTls) -> record::Settings {
    let (tls, policy) = (tls.clone(), format!("{:?} {:?}", config.node.zone, config.crossings));
    let read: record::ReadIdentity = Box::new(move || {
        let (chain, signer) = tls.signing().map_err(|error| error.to_string())?;
        Ok((chain, Box::new(signer)))
    });
    let build = std::env::current_exe().and_then(std::fs::read).ok();
    let signing = record::Signing {
        node: config.node.id.clone(),
        zone: config.node.zone.clone(),
        read,
        software: concat!("hearing ", env!("CARGO_PKG_VERSION")).to_owned(),
        build: build.map(|program| HashAlg::Sha256.hash(&[&program])),
        policy,
    };
    record::Settings {
        directory: config.record.directory.clone(),
        spill: config.record.spill.clone(),
        signing: Arc::new(signing),
        warn: config.record.warn_free_percent.clone(),
        refuse: config.record.refuse_free_percent,
    }
}

pub(super) fn spool_settings(config: &Config) -> spool::Settings {
    let hearing_config::Spool { directory, bytes, age } = config.spool.clone();
    spool::Settings { directory, bytes, age }
}

pub(super) fn trunk_settings(config: &Config, clock: NodeClock) -> trunk::Settings {
    let mut peers: Vec<trunk::PeerSettings> = Vec::new();
    for trunk in &config.trunks.peers {
        let identity = Identity { zone: trunk.zone.clone(), node: trunk.peer.clone() };
        match peers.iter_mut().find(|peer| peer.identity == identity) {
            Some(peer) => peer.others.extend(trunk.dial.map(|dial| (dial, trunk.kbps))),
            None => peers.push(trunk::PeerSettings {
                identity,
                dial: trunk.dial,
                others: Vec::new(),
                vouches: trunk.vouches.clone(),
                kbps: trunk.kbps,
            }),
        }
    }
    trunk::Settings {
        own: Identity { zone: config.node.zone.clone(), node: config.node.id.clone() },
        clock,
        listen: config.trunks.listen,
        revoked: config.pki.revoked.clone(),
        witness: config.node.data.join("witness"),
        former: config.node.data.join("former.json"),
        policy: config.crossings.clone(),
        peers,
    }
}

pub(super) fn registry_settings(config: &Config) -> registry::Settings {
    let zones = config.trunks.peers.iter().map(|trunk| &trunk.zone).chain([&config.node.zone]);
    let links = zones.filter_map(|zone| Some((zone.clone(), config.page(zone)?.to_owned())));
    registry::Settings {
        node: config.node.id.clone(),
        zone: config.node.zone.clone(),
        templates: config.templates.clone(),
        data: config.node.data.clone(),
        links: links.collect::<HashMap<Zone, String>>(),
    }
}

/// Characters of a secret that nobody guesses.
const SHORTEST_SECRET: usize = 16;
