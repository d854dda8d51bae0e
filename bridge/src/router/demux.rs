//! Whose datagram is it? By source once a path is bound; by the user fragment of a STUN request before.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hearing_config::HearingId;

use super::leg::{LegId, Path};

/// Names a leg within a worker.
pub(super) type Owner = (HearingId, LegId);

/// Pure and bounded; told the time.
#[derive(Debug, Default)]
pub(super) struct Demux {
    sources: HashMap<Path, Source>,
    ufrags: HashMap<String, Named>,
    strangers: HashMap<Path, Stranger>,
    bound: u64,
}

/// Where a datagram belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    To(Owner),
    /// Media from an unknown port of a host that some legs know: a translator of addresses may have given one of them another port.
    Perhaps(Vec<Owner>),
    /// Nobody's.
    Stranger,
    /// From a source that sent too much of that.
    Shunned,
}

impl Demux {
    /// STUN requests go by their user fragment first, because a client may come back from an address that another leg has known.
    pub(super) fn route(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Route {
        let source = self.sources.get(&path).map(|source| source.owner);
        if source.is_none() && self.is_shunned(now, path) {
            return Route::Shunned;
        }
        let named = local_ufrag(datagram).and_then(|ufrag| self.ufrags.get(ufrag)).map(|named| named.owner);
        match named.or(source) {
            Some(owner) => Route::To(owner),
            None => {
                self.count_stranger(now, path);
                let neighbours = if is_media(datagram) { self.neighbours(path) } else { Vec::new() };
                if neighbours.is_empty() { Route::Stranger } else { Route::Perhaps(neighbours) }
            }
        }
    }

    /// The legs that know the host of `path` under another port.
    fn neighbours(&self, path: Path) -> Vec<Owner> {
        let same_host = |other: &Path| other.transport == path.transport && other.remote.ip() == path.remote.ip();
        let mut owners: Vec<Owner> =
            self.sources.iter().filter(|(other, _)| same_host(other)).map(|(_, source)| source.owner).collect();
        owners.sort_unstable();
        owners.dedup();
        owners.truncate(NEIGHBOURS_LIMIT);
        owners
    }

    /// The first datagrams of `owner` will carry `ufrag`. Of one owner the last few are known, for what is still under way when ICE
    /// restarts; the answer is the one that is forgotten for it.
    pub(super) fn expect(&mut self, ufrag: String, owner: Owner) -> Option<String> {
        self.bound += 1;
        self.ufrags.insert(ufrag, Named { owner, since: self.bound });
        let own = || self.ufrags.iter().filter(|(_, named)| named.owner == owner);
        if own().count() <= UFRAGS_LIMIT {
            return None;
        }
        let oldest = own().min_by_key(|(_, named)| named.since).map(|(ufrag, _)| ufrag.clone())?;
        self.ufrags.remove(&oldest);
        Some(oldest)
    }

    /// Datagrams from `path` are `owner`'s. Beyond the limit of paths of one leg the oldest is forgotten.
    pub(super) fn bind(&mut self, path: Path, owner: Owner) {
        self.bound += 1;
        self.strangers.remove(&path);
        self.sources.insert(path, Source { owner, bound: self.bound });
        let own = || self.sources.iter().filter(|(_, source)| source.owner == owner);
        if own().count() > PATHS_LIMIT
            && let Some(oldest) = own().min_by_key(|(_, source)| source.bound).map(|(path, _)| *path)
        {
            self.sources.remove(&oldest);
        }
    }

    /// The leg is gone; the answer are its user fragments.
    pub(super) fn forget(&mut self, owner: Owner) -> Vec<String> {
        self.sources.retain(|_, source| source.owner != owner);
        self.ufrags.extract_if(|_, named| named.owner == owner).map(|(ufrag, _)| ufrag).collect()
    }

    /// The hearing is gone; the answer are the user fragments of its legs.
    pub(super) fn forget_hearing(&mut self, hearing: HearingId) -> Vec<String> {
        self.sources.retain(|_, source| source.owner.0 != hearing);
        self.ufrags.extract_if(|_, named| named.owner.0 == hearing).map(|(ufrag, _)| ufrag).collect()
    }

    fn is_shunned(&self, now: Instant, path: Path) -> bool {
        self.strangers.get(&path).is_some_and(|stranger| stranger.bad >= BAD_LIMIT && now < stranger.since + SECOND)
    }

    fn count_stranger(&mut self, now: Instant, path: Path) {
        if self.strangers.len() >= STRANGERS_LIMIT && !self.strangers.contains_key(&path) {
            self.strangers.clear();
        }
        let stranger = self.strangers.entry(path).or_insert(Stranger { since: now, bad: 0 });
        if now >= stranger.since + SECOND {
            *stranger = Stranger { since: now, bad: 0 };
        }
        stranger.bad += 1;
    }
}

#[derive(Debug)]
struct Source {
    owner: Owner,
    /// Grows with every binding.
    bound: u64,
}

#[derive(Debug)]
struct Named {
    owner: Owner,
    /// Grows with every user fragment.
    since: u64,
}

/// A source that nobody knows.
#[derive(Debug)]
struct Stranger {
    since: Instant,
    bad: u32,
}

/// RTP and RTCP by their first byte (RFC 7983).
const fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, ..])
}

/// The user fragment of this end in a STUN binding request: USERNAME (RFC 8489, section 14.3) up to the colon (RFC 8445, section 7.2.2).
pub(super) fn local_ufrag(datagram: &[u8]) -> Option<&str> {
    let (header, mut attributes) = datagram.split_at_checked(STUN_HEADER)?;
    if header[..2] != BINDING_REQUEST || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    while let Some((head, rest)) = attributes.split_first_chunk::<4>() {
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if head[..2] == USERNAME {
            return std::str::from_utf8(rest.get(..len)?).ok()?.split(':').next();
        }
        attributes = rest.get(len.next_multiple_of(4)..)?;
    }
    None
}

const STUN_HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0, 1];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: [u8; 2] = [0, 6];
/// Paths of one leg: a client with several interfaces over several transports.
const PATHS_LIMIT: usize = 8;
/// User fragments of one leg: the present one, and those of restarts that have just been.
const UFRAGS_LIMIT: usize = 3;
/// People behind one translator of addresses who are asked whose a packet is.
const NEIGHBOURS_LIMIT: usize = 128;
const STRANGERS_LIMIT: usize = 4_096;
/// Datagrams from an unknown source that are looked at within a second.
const BAD_LIMIT: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::fake::{path, stun};
    use super::*;

    fn owner(leg: u64) -> Owner {
        (HearingId(Uuid::nil()), LegId(leg))
    }

    #[test]
    fn an_unknown_source_is_known_by_its_user_fragment_and_a_bound_one_by_its_address() {
        let (mut demux, now) = (Demux::default(), Instant::now());
        demux.expect("abcd".to_owned(), owner(1));
        assert_eq!(demux.route(now, path(1), &stun("abcd:peer")), Route::To(owner(1)));
        assert_eq!(demux.route(now, path(1), b"\x80rtp"), Route::Stranger);
        demux.bind(path(1), owner(1));
        assert_eq!(demux.route(now, path(1), b"\x80rtp"), Route::To(owner(1)));
    }

    #[test]
    fn media_from_another_port_of_a_known_host_may_be_its_neighbours_and_anything_else_is_not() {
        let (mut demux, now) = (Demux::default(), Instant::now());
        demux.bind(path(1), owner(1));
        demux.bind(path(2), owner(2));
        demux.bind(path(3), owner(2));
        assert_eq!(demux.route(now, path(9), b"\x80rtp"), Route::Perhaps(vec![owner(1), owner(2)]));
        assert_eq!(demux.route(now, path(9), b"\x16dtls"), Route::Stranger);
        let elsewhere = Path { remote: "192.0.2.99:9".parse().unwrap(), ..path(9) };
        assert_eq!(demux.route(now, elsewhere, b"\x80rtp"), Route::Stranger);
    }

    #[test]
    fn a_user_fragment_outweighs_a_source_that_another_leg_has_known() {
        let (mut demux, now) = (Demux::default(), Instant::now());
        demux.bind(path(1), owner(1));
        demux.expect("new".to_owned(), owner(2));
        assert_eq!(demux.route(now, path(1), &stun("new:peer")), Route::To(owner(2)));
    }

    #[test]
    fn a_leg_that_is_gone_leaves_no_way_to_it() {
        let (mut demux, now) = (Demux::default(), Instant::now());
        demux.expect("abcd".to_owned(), owner(1));
        demux.bind(path(1), owner(1));
        demux.forget(owner(1));
        assert_eq!(demux.route(now, path(1), &stun("abcd:peer")), Route::Stranger);
    }

    #[test]
    fn a_source_that_sends_only_rubbish_is_not_looked_at_for_the_rest_of_the_second() {
        let (mut demux, now) = (Demux::default(), Instant::now());
        demux.expect("abcd".to_owned(), owner(1));
        for _ in 0..BAD_LIMIT {
            assert_eq!(demux.route(now, path(1), b"rubbish"), Route::Stranger);
        }
        assert_eq!(demux.route(now, path(1), &stun("abcd:peer")), Route::Shunned);
        assert_eq!(demux.route(now, path(2), &stun("abcd:peer")), Route::To(owner(1)));
        assert_eq!(demux.route(now + SECOND, path(1), &stun("abcd:peer")), Route::To(owner(1)));
    }

    #[test]
    fn paths_of_a_leg_and_strangers_are_bounded() {
        let (mut demux, now) = (Demux::default(), Instant::now());
        for port in 1..100 {
            demux.bind(path(port), owner(1));
        }
        assert_eq!(demux.sources.len(), PATHS_LIMIT);
        assert_eq!(demux.route(now, path(99), b"x"), Route::To(owner(1)));
        for port in 100..10_000 {
            demux.route(now, path(port), b"x");
        }
        assert!(demux.strangers.len() <= STRANGERS_LIMIT);
    }

    #[test]
    fn a_leg_that_restarts_without_end_keeps_a_few_user_fragments_and_the_last_is_known() {
        let (mut demux, now) = (Demux::default(), Instant::now());
        let forgotten: Vec<_> = (0..9).filter_map(|n| demux.expect(format!("r{n}"), owner(1))).collect();
        assert_eq!(forgotten, ["r0", "r1", "r2", "r3", "r4", "r5"]);
        assert_eq!(demux.route(now, path(1), &stun("r8:peer")), Route::To(owner(1)));
        assert_eq!(demux.forget(owner(1)).len(), UFRAGS_LIMIT);
    }

    proptest! {
        #[test]
        fn no_datagram_makes_it_panic(mut datagram in prop::collection::vec(any::<u8>(), 0..80), is_stun in any::<bool>()) {
            if is_stun && datagram.len() >= 8 {
                datagram[..2].copy_from_slice(&BINDING_REQUEST);
                datagram[4..8].copy_from_slice(&MAGIC_COOKIE);
            }
            let mut demux = Demux::default();
            demux.route(Instant::now(), path(1), &datagram);
        }
    }
}
