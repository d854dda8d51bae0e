//! Templates: the seats of a kind of hearing.

use crate::endpoint::{Endpoint, EndpointKind};
use crate::error::Fault;
use crate::layout::Layout;
use crate::media::Kind;
use crate::raw;
use crate::read::{repeated, required, slug, title};
use crate::seat::{Role, SeatId};
use crate::zone::Zone;

/// A kind of hearing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its name for the command line: 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter.
    pub name: String,
    /// Its title in Chinese.
    pub title: String,
    /// Its title in English.
    pub title_en: String,
    /// Its seats, 1 to [`SeatId::LIMIT`]; a seat's place is its [`SeatId`].
    pub seats: Vec<TemplateSeat>,
}

/// One seat of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSeat {
    /// Its slug, unique within the template, such as `counsel`.
    pub name: String,
    /// Its title in Chinese, such as `辩护人`.
    pub title: String,
    /// Its title in English.
    pub title_en: String,
    /// Its role.
    pub role: Role,
    /// The zone in which its endpoint connects.
    pub zone: Zone,
    /// What stands on it.
    pub endpoint: Endpoint,
    /// How everybody else stands in its picture, where it is a terminal that takes one.
    pub layout: Layout,
    /// Kinds without which the hearing is not in session; sound and camera unless the file says otherwise.
    pub required: Vec<Kind>,
}

impl Template {
    pub(crate) fn parse_all(raw: Vec<raw::Template>) -> Result<Vec<Self>, Fault> {
        let all: Vec<Self> =
            raw.into_iter().enumerate().map(|(n, raw)| Self::parse(raw, n)).collect::<Result<_, _>>()?;
        let names: Vec<_> = all.iter().map(|template| &template.name).collect();
        match repeated(&names) {
            Some(n) => Err(Fault::new(
                format!("template[{n}].name"),
                format!("a template {:?} stands above already", names[n]),
                "give each template a name of its own",
            )),
            None => Ok(all),
        }
    }

    fn parse(raw: raw::Template, n: usize) -> Result<Self, Fault> {
        let key = |name: &str| format!("template[{n}].{name}");
        if !(1..=SeatId::LIMIT).contains(&raw.seat.len()) {
            let problem = format!("has {} seats", raw.seat.len());
            let remedy = format!("give it 1 to {} [[template.seat]] sections", SeatId::LIMIT);
            return Err(Fault::new(key("seat"), problem, remedy));
        }
        let seats: Vec<TemplateSeat> = raw
            .seat
            .into_iter()
            .enumerate()
            .map(|(m, raw)| TemplateSeat::parse(raw, &key(&format!("seat[{m}]"))))
            .collect::<Result<_, _>>()?;
        let template = Self {
            name: slug(raw.name, &key("name"))?,
            title: title(raw.title, &key("title"))?,
            title_en: title(raw.title_en, &key("title_en"))?,
            seats,
        };
        template.check(&key("seat"))?;
        Ok(template)
    }

    fn check(&self, key: &str) -> Result<(), Fault> {
        let names: Vec<_> = self.seats.iter().map(|seat| &seat.name).collect();
        if let Some(n) = repeated(&names) {
            let problem = format!("a seat {:?} stands above already", names[n]);
            return Err(Fault::new(
                format!("{key}[{n}].name"),
                problem,
                "give each seat of a template a name of its own",
            ));
        }
        if self.seats.iter().all(|seat| seat.required.is_empty()) {
            let problem = "no seat requires anything: the hearing could be in session with nothing to record";
            return Err(Fault::new(key, problem, "give the judge's seat required = [\"audio\", \"video\"]"));
        }
        Ok(())
    }
}

impl TemplateSeat {
    fn parse(raw: raw::Seat, at: &str) -> Result<Self, Fault> {
        let key = |name: &str| format!("{at}.{name}");
        let role = required(raw.role, &key("role"), "name the seat's role, such as \"judge\"")?;
        let endpoint = raw.endpoint.unwrap_or_default();
        let watches = role == Role::Observer || role == Role::Technician && !endpoint.is_terminal();
        let usual = if watches { Vec::new() } else { vec![Kind::Audio, Kind::Video] };
        let required_kinds = raw.required.unwrap_or(usual);
        if watches && !required_kinds.is_empty() {
            let problem = format!("a seat of the role \"{role}\" sends nothing, so the hearing could never be opened");
            return Err(Fault::new(key("required"), problem, "leave it out, or give the seat another role"));
        }
        if let Some(n) = repeated(&required_kinds) {
            return Err(Fault::new(key(&format!("required[{n}]")), "stands there twice", "remove one of the two"));
        }
        if let Some(n) = required_kinds.iter().position(|kind| *kind == Kind::Screen) {
            let problem = "a shared screen comes and goes and can't be required";
            return Err(Fault::new(key(&format!("required[{n}]")), problem, "require \"audio\", \"video\" or both"));
        }
        if raw.layout.is_some() && endpoint.kind() != EndpointKind::Sip {
            let problem = format!("a picture is composed for SIP terminals only, and this seat is {}", endpoint.kind());
            return Err(Fault::new(key("layout"), problem, "leave it out"));
        }
        Ok(Self {
            name: slug(raw.name, &key("name"))?,
            title: title(raw.title, &key("title"))?,
            title_en: title(raw.title_en, &key("title_en"))?,
            role,
            zone: required(raw.zone, &key("zone"), "name the zone in which the seat's endpoint connects")?,
            endpoint,
            layout: raw.layout.unwrap_or_default(),
            required: required_kinds,
        })
    }
}
