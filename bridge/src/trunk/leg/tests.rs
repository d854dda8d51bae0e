//! What a trunk's leg lets through, and what it asks of the peer.

use bytes::Bytes;
use hearing_config::{Kind, Role, SeatId, Timestamp};
use hearing_proto::wire::Message;
use hearing_signaling::hearing::{PlannedSeat, RecordOrder, Row, SeatSet};

use super::*;
use crate::net::tls::Identity;

const TRACK: TrackId = TrackId { seat: SeatId(0), kind: Kind::Video };

struct Bench {
    leg: TrunkLeg,
    plans: watch::Sender<Arc<MediaPlan>>,
    frames: mpsc::Receiver<(Name, Frame)>,
    said: mpsc::Receiver<Message>,
    gauges: Arc<Gauges>,
    now: Instant,
}

fn plan(revision: u64, hears: bool) -> Arc<MediaPlan> {
    let seat = |(id, zone): (u8, &str)| PlannedSeat {
        id: SeatId(id),
        name: format!("s{id}"),
        role: Role::Judge,
        zone: zone.parse().unwrap(),
        admitted: true,
        required: Vec::new(),
        terminal: None,
    };
    let row = Row { track: TRACK, audience: SeatSet(if hears { 0b10 } else { 0 }), recorded: true };
    let seats = [(0, "court"), (1, "gov")].map(seat).into();
    Arc::new(MediaPlan { revision, seats, rows: vec![row], record: RecordOrder::Run })
}

fn bench(to_home: bool, hears: bool) -> Bench {
    let (plans, receiver) = watch::channel(plan(1, hears));
    let (line, said, _) = Line::new();
    let (sender, frames) = mpsc::channel(2);
    let gauges = Arc::new(Gauges::new(Identity { zone: "gov".parse().unwrap(), node: "g".parse().unwrap() }));
    let needs = Needs {
        hearing: HearingId(uuid::Uuid::nil()),
        zone: "gov".parse().unwrap(),
        to_home,
        plans: receiver,
        line,
        frames: sender,
        gauges: gauges.clone(),
    };
    Bench { leg: TrunkLeg::new(needs), plans, frames, said, gauges, now: Instant::now() }
}

impl Bench {
    fn frame(&mut self, index: u64, key: bool) {
        let packet = Packet {
            index,
            layer: Layer(0),
            media_time: 0,
            captured: Timestamp(0),
            frame_start: true,
            frame_end: true,
            key,
            generation: 0,
            temporal: Default::default(),
            level: None,
            payload: Bytes::from_static(b"x"),
        };
        self.leg.handle_frame(self.now, TRACK, &Frame { packets: vec![packet] });
    }

    fn sent(&mut self) -> Vec<u64> {
        std::iter::from_fn(|| self.frames.try_recv().ok()).map(|(_, frame)| frame.head().index).collect()
    }
}

#[test]
fn an_uncalled_witness_zone_gets_not_one_frame_of_what_is_only_recorded() {
    let mut bench = bench(false, true);
    bench.frame(1, true);
    assert_eq!(bench.sent(), [1]);
    bench.plans.send_replace(plan(2, false));
    bench.frame(2, false);
    assert!(bench.sent().is_empty());
    assert_eq!(bench.gauges.status().stray, 1);
    assert_eq!(bench.leg.wanted(TRACK), LayerSet::EMPTY);
}

#[test]
fn home_gets_what_only_its_record_needs() {
    let mut bench = bench(true, false);
    bench.frame(1, true);
    assert_eq!(bench.sent(), [1]);
    assert_eq!(bench.leg.wanted(TRACK), LayerSet::ALL);
}

#[test]
fn a_full_queue_is_counted_and_the_picture_waits_for_the_key_frame_it_asks_for() {
    let mut bench = bench(false, true);
    for index in 1..=4 {
        bench.frame(index, index == 1);
    }
    assert_eq!(bench.leg.poll_output(), Some(Output::KeyFrame(TRACK, Layer(0))));
    assert_eq!(bench.leg.poll_output(), None);
    assert_eq!(bench.sent(), [1, 2]);
    bench.frame(5, false);
    bench.frame(6, true);
    bench.frame(7, false);
    assert_eq!(bench.sent(), [6, 7]);
    assert_eq!(bench.gauges.status().shed, 3);
}

#[test]
fn what_the_router_asks_of_the_peers_tracks_goes_over_the_line() {
    let mut bench = bench(false, true);
    bench.leg.handle_control(bench.now, Control::Demand(TRACK, LayerSet(0b10)));
    bench.leg.handle_control(bench.now, Control::KeyFrame(TRACK, Layer(1)));
    let track = convert::track_to(TRACK);
    let hearing = [0; 16];
    assert_eq!(bench.said.try_recv(), Ok(wire::Subscribe { hearing, track, layers: 2 }.into()));
    assert_eq!(bench.said.try_recv(), Ok(wire::KeyFrame { hearing, track, layer: 1 }.into()));
}
