//! What the parts of a configuration must be to each other (errors), and what is probably not meant (warnings).

use std::net::SocketAddr;

use crate::config::Config;
use crate::endpoint::EndpointKind;
use crate::error::Fault;
use crate::raw::suggest;
use crate::template::TemplateSeat;
use crate::zone::Zone;

impl Config {
    /// What is probably not meant, though the node can run with it.
    #[must_use]
    pub fn warnings(&self) -> Vec<Fault> {
        let mut warnings = Vec::new();
        if !self.admin.listen.ip().is_loopback() {
            let problem = format!("{} is not loopback: whoever reaches it reads the metrics", self.admin.listen);
            warnings.push(Fault::new("admin.listen", problem, "bind it to 127.0.0.1 or to a management network"));
        }
        warnings.extend(self.unvouched());
        for (n, template) in self.templates.iter().enumerate() {
            let crosses =
                template.seats.iter().any(|seat| seat.zone != template.seats[0].zone || seat.zone != self.node.zone);
            for (m, seat) in template.seats.iter().enumerate().filter(|_| crosses) {
                warnings.extend(self.unheard(seat, &format!("template[{n}].seat[{m}]")));
            }
        }
        warnings
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.trunks.check_against(&self.node.id, &self.node.zone)?;
        self.check_crossings()?;
        self.check_seats()?;
        self.check_ports()
    }

    fn check_crossings(&self) -> Result<(), Fault> {
        let vouched = self.trunks.peers.iter().flat_map(|trunk| &trunk.vouches);
        let known: Vec<&Zone> = self.reachable().chain(vouched).collect();
        for (n, crossing) in self.crossings.iter().enumerate() {
            known_zone(&crossing.from, &known, &format!("crossing[{n}].from"))?;
            known_zone(&crossing.to, &known, &format!("crossing[{n}].to"))?;
        }
        Ok(())
    }

    fn check_seats(&self) -> Result<(), Fault> {
        let known: Vec<&Zone> = self.reachable().collect();
        for (n, template) in self.templates.iter().enumerate() {
            for (m, seat) in template.seats.iter().enumerate() {
                known_zone(&seat.zone, &known, &format!("template[{n}].seat[{m}].zone"))?;
                self.check_terminal(seat, &format!("template[{n}].seat[{m}].endpoint"))?;
                if self.page(&seat.zone).is_none() {
                    return Err(self.no_page(seat, n, m));
                }
            }
        }
        Ok(())
    }

    /// Terminals of other zones are called by the nodes there.
    fn check_terminal(&self, seat: &TemplateSeat, key: &str) -> Result<(), Fault> {
        let (served, section) = match seat.endpoint.kind() {
            EndpointKind::Sip => (self.sip.is_some(), "sip"),
            EndpointKind::Gb28181 => (self.gb28181.is_some(), "gb28181"),
            EndpointKind::Browser | EndpointKind::Rtsp => (true, ""),
        };
        if served || seat.zone != self.node.zone {
            return Ok(());
        }
        let problem = format!("{} can't be called: this node has no [{section}]", seat.endpoint);
        Err(Fault::new(key, problem, format!("add [{section}] with udp = \"IP:PORT\"")))
    }

    fn no_page(&self, seat: &TemplateSeat, n: usize, m: usize) -> Fault {
        let trunk = self.trunks.peers.iter().position(|trunk| trunk.zone == seat.zone).unwrap_or_default();
        let problem = format!("is missing, so template[{n}].seat[{m}] in zone {} can get no link", seat.zone);
        Fault::new(format!("trunk[{trunk}].web"), problem, "write the peer's page address, its web.url")
    }

    fn check_ports(&self) -> Result<(), Fault> {
        let tcp = [("web.bind", self.web.bind), ("admin.listen", self.admin.listen)];
        let sip = self.sip.as_ref();
        let sip_tcp = [
            ("sip.tcp", sip.and_then(|sip| sip.tcp)),
            ("sip.tls.listen", sip.and_then(|sip| Some(sip.tls.as_ref()?.listen))),
        ];
        let gb = self.gb28181.as_ref();
        let terminals = sip_tcp.into_iter().chain([("gb28181.tcp", gb.and_then(|gb| gb.tcp))]);
        let tcp: Vec<_> = tcp.into_iter().chain(terminals.filter_map(|(key, at)| Some((key, at?)))).collect();
        let workers = (0..self.media.workers).map(|n| ("media.bind", self.media.worker(n)));
        let others = self.trunks.listen.map(|listen| ("trunks.listen", listen)).into_iter();
        let others = others.chain(sip.and_then(|sip| Some(("sip.udp", sip.udp?))));
        let others = others.chain(gb.and_then(|gb| Some(("gb28181.udp", gb.udp?))));
        let udp: Vec<_> = workers.chain(others).collect();
        clash(&tcp).or_else(|| clash(&udp)).or_else(|| self.shared_ports()).map_or(Ok(()), Err)
    }

    /// Ports for media that SIP terminals and GB/T 28181 devices would both take.
    fn shared_ports(&self) -> Option<Fault> {
        let (sip, gb) = (self.sip.as_ref()?, self.gb28181.as_ref()?);
        let shared = sip.advertise == gb.advertise && sip.rtp.0 <= gb.rtp.1 && gb.rtp.0 <= sip.rtp.1;
        let problem = format!("{} to {} is taken by sip.rtp in part", gb.rtp.0, gb.rtp.1);
        shared.then(|| Fault::new("gb28181.rtp", problem, "give each a range of its own"))
    }

    /// The node's own zone and those of its peers.
    fn reachable(&self) -> impl Iterator<Item = &Zone> {
        std::iter::once(&self.node.zone).chain(self.trunks.peers.iter().map(|trunk| &trunk.zone))
    }

    fn unvouched(&self) -> impl Iterator<Item = Fault> {
        let vouched =
            |zone: &Zone| *zone == self.node.zone || self.trunks.peers.iter().any(|t| t.vouches.contains(zone));
        self.crossings.iter().enumerate().filter(move |(_, crossing)| !vouched(&crossing.from)).map(|(n, crossing)| {
            let problem = format!("no trunk may vouch for tracks of zone {}, so none arrives", crossing.from);
            Fault::new(
                format!("crossing[{n}].from"),
                problem,
                "add the zone to a [[trunk]]'s vouches, or remove the crossing",
            )
        })
    }

    fn unheard(&self, seat: &TemplateSeat, key: &str) -> Option<Fault> {
        let home = &self.node.zone;
        let ways = || self.crossings.iter().filter(|c| c.from == seat.zone && c.roles.contains(&seat.role));
        if ways().next().is_none() {
            let problem = format!("no crossing lets a {} of zone {} be heard or seen outside it", seat.role, seat.zone);
            return Some(Fault::new(
                format!("{key}.zone"),
                problem,
                format!("add a [[crossing]] from \"{}\"", seat.zone),
            ));
        }
        let recorded = |kind| seat.zone == *home || ways().any(|c| c.to == *home && c.kinds.contains(kind));
        let lost = seat.required.iter().find(|kind| !recorded(kind))?;
        let problem =
            format!("its {lost} is required and can't reach this node, so no hearing of this template can open");
        let remedy =
            format!("add a [[crossing]] from \"{}\" to \"{home}\" for role {} and kind {lost}", seat.zone, seat.role);
        Some(Fault::new(format!("{key}.required"), problem, remedy))
    }
}

fn known_zone(zone: &Zone, known: &[&Zone], key: &str) -> Result<(), Fault> {
    if known.contains(&zone) {
        return Ok(());
    }
    let names: Vec<&str> = known.iter().map(|zone| zone.as_str()).collect();
    let problem = format!("zone {zone} is neither this node's nor any trunk's");
    Err(Fault::new(key, problem, format!("{} (or add a [[trunk]] to that zone)", suggest(zone.as_str(), &names))))
}

/// The first address that another one before it already takes.
fn clash(addresses: &[(&'static str, SocketAddr)]) -> Option<Fault> {
    addresses.iter().enumerate().find_map(|(n, (key, address))| {
        let (other, _) = addresses[..n].iter().find(|(_, earlier)| overlap(*earlier, *address))?;
        let problem = format!("{address} is taken by {other} already");
        Some(Fault::new(*key, problem, "give each its own port"))
    })
}

fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}
