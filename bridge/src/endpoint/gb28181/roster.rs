//! What is known of the devices: where each is, whether it lives, and what it has. Told the time, so that tests have their own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hearing_proto::gb28181::{Code, Item, Page};
use rsipstack::transport::SipAddr;

/// The devices of the configuration, and those that are let in for a while.
#[derive(Debug)]
pub(super) struct Roster {
    /// Between two signs of life.
    keepalive: Duration,
    devices: BTreeMap<Code, Known>,
    epochs: u64,
}

/// One device.
#[derive(Debug, Default)]
struct Known {
    binding: Option<Binding>,
    about: About,
    items: BTreeMap<Code, Item>,
    /// It stands in no configuration.
    guest: bool,
}

/// Where a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    /// Where its packets come from, which is where it is reached, whatever it says of itself.
    pub(super) at: SipAddr,
    /// Another one whenever it was away, or comes from elsewhere.
    pub(super) epoch: u64,
    until: Instant,
    seen: Instant,
}

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) manufacturer: String,
    pub(super) model: String,
    pub(super) firmware: String,
    /// The version of the standard that it speaks, `2.0` (2016) or `3.0` (2022), when it says so.
    pub(super) version: Option<String>,
    /// What it answered when it was asked how it is.
    pub(super) online: Option<bool>,
    pub(super) records: Option<bool>,
}

/// Whom to invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The device that is registered.
    pub(super) device: Code,
    /// What of it is meant; the device itself when it is a camera.
    pub(super) channel: Code,
    pub(super) at: SipAddr,
    pub(super) epoch: u64,
}

/// A device and what it has, for the operator.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) device: Code,
    pub(super) at: Option<SipAddr>,
    /// For how long the registration is good, seconds.
    pub(super) seconds: u64,
    pub(super) about: About,
    pub(super) items: Vec<Item>,
}

impl Roster {
    /// Nobody is there yet.
    pub(super) fn new(devices: impl IntoIterator<Item = Code>, keepalive: Duration) -> Self {
        let devices = devices.into_iter().map(|device| (device, Known::default())).collect();
        Self { keepalive, devices, epochs: 0 }
    }

    /// Lets a device in that stands in no configuration.
    pub(super) fn admit(&mut self, device: Code) {
        self.devices.entry(device).or_insert_with(|| Known { guest: true, ..Known::default() });
    }

    /// It is nobody again. A device of the configuration stays.
    pub(super) fn dismiss(&mut self, device: Code) {
        if self.devices.get(&device).is_some_and(|known| known.guest) {
            self.devices.remove(&device);
        }
    }

    /// True for a device that may register.
    pub(super) fn knows(&self, device: Code) -> bool {
        self.devices.contains_key(&device)
    }

    /// A device tells where it is, for so long; the epoch when it was not there before, or is elsewhere now.
    pub(super) fn register(&mut self, device: Code, at: SipAddr, lasts: Duration, now: Instant) -> Option<u64> {
        let present = self.binding(device, now).filter(|binding| binding.at == at).map(|binding| binding.epoch);
        let known = self.devices.get_mut(&device)?;
        let epoch = present.unwrap_or(self.epochs + 1);
        self.epochs = self.epochs.max(epoch);
        known.binding = Some(Binding { at, epoch, until: now + lasts + GRACE, seen: now });
        present.is_none().then_some(epoch)
    }

    /// A device says goodbye; true when it was there.
    pub(super) fn leave(&mut self, device: Code) -> bool {
        self.devices.get_mut(&device).is_some_and(|known| known.binding.take().is_some())
    }

    /// A sign of life came; false when the device is not registered, or not from there.
    pub(super) fn alive(&mut self, device: Code, from: IpAddr, now: Instant) -> bool {
        if !self.is_from(device, from, now) {
            return false;
        }
        if let Some(binding) = self.devices.get_mut(&device).and_then(|known| known.binding.as_mut()) {
            binding.seen = now;
        }
        true
    }

    /// True when the device is registered, and from there.
    pub(super) fn is_from(&self, device: Code, from: IpAddr, now: Instant) -> bool {
        self.binding(device, now).is_some_and(|binding| host(&binding.at) == Some(from))
    }

    /// Forgets the bindings of those that are silent for three keepalives, or whose registration has run out.
    pub(super) fn sweep(&mut self, now: Instant) -> Vec<Code> {
        let gone = |known: &Known| known.binding.as_ref().is_some_and(|binding| !self.holds(binding, now));
        let gone: Vec<_> = self.devices.iter().filter(|(_, known)| gone(known)).map(|(device, _)| *device).collect();
        for device in &gone {
            self.leave(*device);
        }
        gone
    }

    /// Where a device is.
    pub(super) fn binding(&self, device: Code, now: Instant) -> Option<&Binding> {
        self.devices.get(&device)?.binding.as_ref().filter(|binding| self.holds(binding, now))
    }

    fn holds(&self, binding: &Binding, now: Instant) -> bool {
        now < binding.until && now.saturating_duration_since(binding.seen) < self.keepalive * MISSED + GRACE
    }

    /// Whom to invite for an identity: a device itself, or the one that has it in its catalog; `None` while neither is there.
    pub(super) fn target(&self, wanted: Code, now: Instant) -> Option<Target> {
        let to = |device: Code, channel: Code| {
            let Binding { at, epoch, .. } = self.binding(device, now)?.clone();
            Some(Target { device, channel, at, epoch })
        };
        if let Some(known) = self.devices.get(&wanted) {
            return to(wanted, if is_recorder(wanted) { first_camera(known)? } else { wanted });
        }
        let having = self.devices.iter().filter(|(_, known)| known.items.get(&wanted).is_some_and(|item| item.on));
        having.filter_map(|(device, _)| to(*device, wanted)).next()
    }

    /// A device answered what it has: this and nothing else.
    pub(super) fn learn(&mut self, device: Code, items: impl IntoIterator<Item = Item>) {
        if let Some(known) = self.devices.get_mut(&device) {
            known.items = items.into_iter().map(|item| (item.code, item)).collect();
        }
    }

    /// Something of what a device has is new, different or gone.
    pub(super) fn change(&mut self, device: Code, page: Page) {
        let Some(known) = self.devices.get_mut(&device) else { return };
        for item in page.items {
            let room = known.items.len() < ITEMS_LIMIT;
            let before = known.items.get_mut(&item.code);
            match (item.event.as_deref(), before) {
                (Some("DEL"), _) => _ = known.items.remove(&item.code),
                // A change of state tells the state alone.
                (Some("ON" | "OFF" | "VLOST" | "DEFECT"), Some(before)) => before.on = item.on,
                (_, Some(before)) => *before = item,
                (_, None) if room => _ = known.items.insert(item.code, item),
                (_, None) => {}
            }
        }
    }

    /// What a device says of itself.
    pub(super) fn about(&mut self, device: Code) -> Option<&mut About> {
        self.devices.get_mut(&device).map(|known| &mut known.about)
    }

    /// Every device of the configuration, in the order of the identities.
    pub(super) fn list(&self, now: Instant) -> Vec<Entry> {
        let entry = |(device, known): (&Code, &Known)| {
            let binding = self.binding(*device, now);
            Entry {
                device: *device,
                at: binding.map(|binding| binding.at.clone()),
                seconds: binding.map_or(0, |binding| binding.until.saturating_duration_since(now).as_secs()),
                about: known.about.clone(),
                items: known.items.values().cloned().collect(),
            }
        };
        self.devices.iter().filter(|(_, known)| !known.guest).map(entry).collect()
    }
}

/// The address without its port.
pub(super) fn host(at: &SipAddr) -> Option<IpAddr> {
    at.addr.host.to_string().parse().ok()
}

/// What has cameras and is none (GB/T 28181-2016, annex D: 111 to 130 are front-end masters).
fn is_recorder(device: Code) -> bool {
    (111..=130).contains(&device.kind())
}

fn first_camera(known: &Known) -> Option<Code> {
    known.items.values().find(|item| item.on && matches!(item.code.kind(), 131 | 132)).map(|item| item.code)
}

/// Keepalives that may be missing.
const MISSED: u32 = 3;
/// Whoever is a little late is still there.
const GRACE: Duration = Duration::from_secs(2);
/// The most items of a device.
const ITEMS_LIMIT: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    const KEEPALIVE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn code(text: &str) -> Code {
        text.parse().unwrap()
    }

    fn camera() -> Code {
        code("34020000001320000001")
    }

    fn recorder() -> Code {
        code("34020000001110000001")
    }

    fn at(text: &str) -> SipAddr {
        text.parse::<std::net::SocketAddr>().unwrap().into()
    }

    fn item(text: &str, event: Option<&str>) -> Item {
        let on = !matches!(event, Some("OFF" | "DEL"));
        let event = event.map(str::to_owned);
        Item { code: code(text), name: "法庭".to_owned(), parent: None, on, turns: false, event }
    }

    fn page(items: Vec<Item>) -> Page {
        Page { device: recorder(), sn: 1, sum: items.len() as u32, items }
    }

    fn roster() -> (Roster, Instant) {
        (Roster::new([camera(), recorder()], KEEPALIVE), Instant::now())
    }

    #[test]
    fn a_device_that_misses_three_keepalives_is_offline_and_one_that_lives_is_not() {
        let (mut roster, start) = roster();
        roster.register(camera(), at("10.0.0.9:5060"), HOUR, start);
        let ip = "10.0.0.9".parse().unwrap();
        assert!(roster.alive(camera(), ip, start + KEEPALIVE * 3));
        assert_eq!(roster.sweep(start + KEEPALIVE * 6), []);
        assert!(roster.target(camera(), start + KEEPALIVE * 6).is_some());
        let late = start + KEEPALIVE * 6 + GRACE;
        assert_eq!(roster.target(camera(), late), None);
        assert_eq!((roster.sweep(late), roster.sweep(late)), (vec![camera()], vec![]));
        assert!(!roster.alive(camera(), ip, late), "it has to register again");
    }

    #[test]
    fn a_registration_runs_out_unless_it_is_renewed_and_a_goodbye_ends_it() {
        let (mut roster, start) = roster();
        let (here, minute) = (at("10.0.0.9:5060"), Duration::from_secs(60));
        let first = roster.register(camera(), here.clone(), minute, start).unwrap();
        assert_eq!(roster.register(camera(), here.clone(), minute, start + minute), None, "it is renewed");
        assert_eq!(roster.target(camera(), start + minute * 2).map(|target| target.epoch), Some(first));
        assert_eq!(roster.target(camera(), start + minute * 2 + GRACE), None);
        let again = roster.register(camera(), here, minute, start + minute * 3).unwrap();
        assert!(again > first && roster.leave(camera()) && !roster.leave(camera()));
        assert_eq!(roster.target(camera(), start + minute * 3), None);
    }

    #[test]
    fn a_device_that_comes_from_elsewhere_is_another_one_and_signs_of_life_count_from_there_alone() {
        let (mut roster, start) = roster();
        let first = roster.register(camera(), at("10.0.0.9:5060"), HOUR, start).unwrap();
        let second = roster.register(camera(), at("10.0.0.8:5060"), HOUR, start).unwrap();
        assert!(second > first);
        assert!(!roster.alive(camera(), "10.0.0.9".parse().unwrap(), start));
        assert!(roster.alive(camera(), "10.0.0.8".parse().unwrap(), start));
    }

    #[test]
    fn a_channel_is_found_through_the_catalog_of_its_device_as_long_as_it_can_be_used() {
        let (mut roster, start) = roster();
        let channel = code("34020000001320000007");
        roster.register(recorder(), at("10.0.0.9:5060"), HOUR, start);
        assert_eq!((roster.target(channel, start), roster.target(recorder(), start)), (None, None));
        roster.learn(recorder(), [item("34020000001320000007", None)]);
        let found =
            |roster: &Roster, wanted| roster.target(wanted, start).map(|target| (target.device, target.channel));
        assert_eq!(found(&roster, channel), Some((recorder(), channel)));
        assert_eq!(found(&roster, recorder()), Some((recorder(), channel)), "a recorder has a camera");
        roster.change(recorder(), page(vec![item("34020000001320000007", Some("OFF"))]));
        assert_eq!(found(&roster, channel), None);
        roster.change(recorder(), page(vec![item("34020000001320000007", Some("ON"))]));
        assert_eq!(found(&roster, channel), Some((recorder(), channel)));
        assert_eq!(roster.list(start)[0].items[0].name, "法庭", "a change of state tells no name");
        roster.change(recorder(), page(vec![item("34020000001320000007", Some("DEL"))]));
        assert_eq!((found(&roster, channel), roster.list(start)[0].items.len()), (None, 0));
    }

    #[test]
    fn who_is_let_in_for_a_while_registers_is_listed_nowhere_and_is_nobody_afterwards() {
        let (mut roster, start) = roster();
        let guest = code("99000000001320000007");
        roster.admit(guest);
        assert!(roster.register(guest, at("10.0.0.9:5070"), HOUR, start).is_some());
        assert_eq!(roster.target(guest, start).map(|target| target.channel), Some(guest));
        assert!(roster.list(start).iter().all(|entry| entry.device != guest));
        roster.dismiss(guest);
        assert!(!roster.knows(guest) && roster.target(guest, start).is_none());
        roster.admit(camera());
        roster.dismiss(camera());
        assert!(roster.knows(camera()), "it stands in the configuration");
    }

    #[test]
    fn nobody_who_is_not_in_the_configuration_is_registered() {
        let (mut roster, start) = roster();
        let stranger = code("34020000001320000099");
        assert_eq!(roster.register(stranger, at("10.0.0.9:5060"), HOUR, start), None);
        assert!(!roster.knows(stranger) && roster.target(stranger, start).is_none());
    }
}
