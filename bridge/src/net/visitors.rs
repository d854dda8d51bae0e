//! Who may knock at a public TCP port: how many connections at once, and how fast, for one address and for all. Told the time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The connections of one listener. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Visitors(Arc<Mutex<Book>>);

/// One connection that was let in; it counts until it is dropped.
#[derive(Debug)]
pub struct Visit {
    visitors: Visitors,
    customer: IpAddr,
    greeted: bool,
}

/// Why a connection is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The node has as many connections as it takes.
    #[error("the node has too many connections")]
    Full,
    /// Too many that have not said what they want.
    #[error("too many connections say nothing")]
    Silent,
    /// The address has as many connections as one may have.
    #[error("the address has too many connections")]
    AddressFull,
    /// The address connects too fast.
    #[error("the address connects too fast")]
    TooFast,
}

impl Refused {
    /// The word for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Silent => "silent",
            Self::AddressFull => "address_full",
            Self::TooFast => "too_fast",
        }
    }
}

impl Visitors {
    /// Lets a connection from `address` in.
    ///
    /// # Errors
    /// Why not. Loopback, behind which a proxy stands for everybody, is held to the limits of all only.
    pub fn enter(&self, now: Instant, address: IpAddr) -> Result<Visit, Refused> {
        let customer = customer(address.to_canonical());
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.enter(now, customer)?;
        Ok(Visit { visitors: self.clone(), customer, greeted: false })
    }
}

impl Visit {
    /// The connection has said what it wants.
    pub fn greet(&mut self) {
        if !std::mem::replace(&mut self.greeted, true) {
            self.visitors.0.lock().unwrap_or_else(PoisonError::into_inner).silent -= 1;
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut book = self.visitors.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.all -= 1;
        book.silent -= usize::from(!self.greeted);
        if let Some(known) = book.customers.get_mut(&self.customer) {
            known.open = known.open.saturating_sub(1);
        }
    }
}

#[derive(Debug, Default)]
struct Book {
    all: usize,
    silent: usize,
    customers: HashMap<IpAddr, Known>,
}

impl Book {
    fn enter(&mut self, now: Instant, customer: IpAddr) -> Result<(), Refused> {
        if self.all >= ALL {
            return Err(Refused::Full);
        }
        if self.silent >= SILENT {
            return Err(Refused::Silent);
        }
        if !customer.is_loopback() {
            self.make_room(now);
            self.customers.entry(customer).or_insert(Known::new(now)).enter(now)?;
        }
        self.all += 1;
        self.silent += 1;
        Ok(())
    }

    /// Forgets who has no connection and waited long enough to have a full budget again.
    fn make_room(&mut self, now: Instant) {
        if self.customers.len() >= ALL * 2 {
            self.customers.retain(|_, known| known.open > 0 || now.duration_since(known.at) < REFILLED);
        }
        if self.customers.len() >= ALL * 2 {
            self.customers.retain(|_, known| known.open > 0);
        }
    }
}

/// An address that has or had connections.
#[derive(Debug)]
struct Known {
    open: usize,
    budget: f64,
    at: Instant,
}

impl Known {
    const fn new(now: Instant) -> Self {
        Self { open: 0, budget: BURST, at: now }
    }

    fn enter(&mut self, now: Instant) -> Result<(), Refused> {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.budget = (self.budget + since * PER_SECOND).min(BURST);
        self.at = now;
        if self.open >= ONE {
            return Err(Refused::AddressFull);
        }
        if self.budget < 1.0 {
            return Err(Refused::TooFast);
        }
        self.budget -= 1.0;
        self.open += 1;
        Ok(())
    }
}

/// One IPv6 customer has a /64, so that counts as one address.
fn customer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
    }
}

/// Connections of the whole listener: a node carries some hundreds of pages, each with a socket and a few requests.
const ALL: usize = 4_096;
/// Of these, those that have not said what they want.
const SILENT: usize = 1_024;
/// Connections of one address: a courthouse with 100 people behind one translator of addresses, each with five.
const ONE: usize = 512;
/// New connections of one address in a second, after a burst: a page opens up to six when it loads.
const PER_SECOND: f64 = 32.0;
const BURST: f64 = 256.0;
/// How long it takes until a budget is full again.
const REFILLED: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(203, 0, 113, last).into()
    }

    #[test]
    fn one_address_that_connects_without_end_is_held_up_and_others_are_not() {
        let (visitors, now) = (Visitors::default(), Instant::now());
        let refused = (0..1_000).filter(|_| visitors.enter(now, address(1)).is_err()).count();
        assert_eq!(refused, 1_000 - BURST as usize);
        assert!(visitors.enter(now, address(2)).is_ok());
        let later = now + Duration::from_secs(1);
        let again = (0..1_000).filter(|_| visitors.enter(later, address(1)).is_ok()).count();
        assert_eq!(again, PER_SECOND as usize);
    }

    #[test]
    fn a_courthouse_of_forty_pages_loads_at_once_behind_one_address() {
        let (visitors, now) = (Visitors::default(), Instant::now());
        let open: Vec<_> = (0..40 * 6).map(|_| visitors.enter(now, address(1)).unwrap()).collect();
        assert_eq!(open.len(), 240);
    }

    #[test]
    fn connections_that_say_nothing_never_take_every_place() {
        let (visitors, now) = (Visitors::default(), Instant::now());
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let mut silent: Vec<_> = (0..SILENT).map(|_| visitors.enter(now, loopback).unwrap()).collect();
        assert_eq!(visitors.enter(now, address(1)).unwrap_err(), Refused::Silent);
        silent[0].greet();
        drop(visitors.enter(now, address(1)).unwrap());
        silent.pop();
        assert!(visitors.enter(now, address(1)).is_ok());
    }

    #[test]
    fn the_node_takes_no_more_than_it_can_hold_and_every_end_makes_room() {
        let (visitors, now) = (Visitors::default(), Instant::now());
        let enter = |n: usize| {
            let mut visit = visitors.enter(now, Ipv4Addr::from(n as u32 / 100 + 0x0a00_0000).into())?;
            visit.greet();
            Ok::<Visit, Refused>(visit)
        };
        let mut open: Vec<Visit> = (0..ALL).map(|n| enter(n).unwrap()).collect();
        assert_eq!(enter(0).unwrap_err(), Refused::Full);
        open.pop();
        assert!(enter(0).is_ok());
        drop(open);
        assert_eq!(visitors.0.lock().unwrap().all, 0);
        assert_eq!(visitors.0.lock().unwrap().silent, 0);
    }

    #[test]
    fn neighbours_of_one_ipv6_network_are_one_address() {
        let (visitors, now) = (Visitors::default(), Instant::now());
        let of = |n: u128| IpAddr::from(Ipv6Addr::from((0x2001_0db8_u128 << 96) + n));
        let taken = (0..1_000).filter(|n| visitors.enter(now, of(*n)).is_ok()).count();
        assert_eq!(taken, BURST as usize);
    }

    #[test]
    fn what_is_remembered_of_addresses_is_bounded() {
        let (visitors, now) = (Visitors::default(), Instant::now());
        for n in 0..100_000_u32 {
            drop(visitors.enter(now, Ipv4Addr::from(n + 0x0a00_0000).into()));
        }
        assert!(visitors.0.lock().unwrap().customers.len() <= ALL * 2);
    }
}
