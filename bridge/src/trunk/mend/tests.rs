//! A frame with lost ranges is whole from parity or waits for what is sent again; what contradicts is refused.

use hearing_proto::wire::decode_parity;
use proptest::prelude::*;

use super::*;
use crate::trunk::parity::protect;

/// A frame, and half as much parity.
fn protected(length: usize) -> (Bytes, Vec<Piece>) {
    let frame: Bytes = (0..length).map(|n| (n * 7 + n / 251) as u8).collect();
    let pieces = protect(&frame, 0.5, 3, 1_414).iter().map(|datagram| decode_parity(datagram).unwrap()).collect();
    (frame, pieces)
}

/// The stream's packets: offset and bytes.
fn packets(frame: &Bytes) -> Vec<(u64, Bytes)> {
    (0..frame.len()).step_by(1_400).map(|at| (at as u64, frame.slice(at..frame.len().min(at + 1_400)))).collect()
}

/// What comes of it when these packets are lost.
fn receive(frame: &Bytes, pieces: &[Piece], lost: &[usize]) -> Mending {
    let mut mending = Mending::default();
    for (_, (offset, bytes)) in packets(frame).into_iter().enumerate().filter(|(at, _)| !lost.contains(at)) {
        mending.push(offset, bytes).unwrap();
    }
    pieces.iter().for_each(|piece| mending.push_parity(piece.clone()).unwrap());
    mending
}

#[test]
fn a_frame_whose_stream_lost_packets_is_whole_from_parity() {
    let (frame, pieces) = protected(8_094);
    for lost in [vec![], vec![0], vec![3], vec![5], vec![0, 5], vec![1, 2]] {
        assert_eq!(receive(&frame, &pieces, &lost).mend(), Ok(Some(frame.clone())), "{lost:?} lost");
    }
}

#[test]
fn too_little_parity_waits_for_what_is_sent_again() {
    let (frame, pieces) = protected(8_094);
    let mut mending = receive(&frame, &pieces[2..], &[1, 4]);
    assert_eq!(mending.mend(), Ok(None));
    let (offset, bytes) = packets(&frame).swap_remove(4);
    mending.push(offset, bytes).unwrap();
    assert_eq!(mending.mend(), Ok(Some(frame)));
}

#[test]
fn parity_alone_is_no_frame_but_names_one_whose_end_was_lost() {
    let (frame, pieces) = protected(5_000);
    assert_eq!(receive(&frame, &pieces, &[0, 1, 2, 3]).mend(), Ok(None));
    assert_eq!(receive(&frame, &pieces[..1], &[3]).complete(), None);
    assert_eq!(receive(&frame, &pieces[..1], &[]).complete(), Some(frame));
}

#[test]
fn without_parity_a_stream_is_put_in_order_and_ends_by_itself() {
    let (frame, _) = protected(8_094);
    let mut mending = Mending::default();
    for (offset, bytes) in packets(&frame).into_iter().rev() {
        mending.push(offset, bytes).unwrap();
        assert_eq!((mending.complete(), mending.mend()), (None, Ok(None)));
    }
    assert_eq!(mending.reach(), 8_094);
    assert_eq!(mending.end(), (frame, false));
}

#[test]
fn parity_that_contradicts_what_came_before_or_the_stream_is_refused() {
    let (frame, pieces) = protected(8_094);
    let mut mending = receive(&frame, &pieces[..1], &[2]);
    let (head, symbols) = pieces[1].clone();
    for head in
        [ParityHead { length: 8_095, ..head }, ParityHead { count: 23, ..head }, ParityHead { stream: 4, ..head }]
    {
        assert_eq!(mending.push_parity((head, symbols.clone())), Err(Refused));
    }
    let (_, shorter) = protected(6_000);
    let mut mending = receive(&frame, &shorter, &[2]);
    assert_eq!(mending.mend(), Err(Refused));
    assert_eq!(mending.mend(), Ok(None), "it goes on without");
    let (offset, bytes) = packets(&frame).swap_remove(2);
    mending.push(offset, bytes).unwrap();
    assert_eq!(mending.end(), (frame, false));
}

#[test]
fn parity_of_a_longer_frame_than_the_stream_is_told_at_its_end() {
    let (frame, _) = protected(4_000);
    let (_, longer) = protected(8_094);
    assert_eq!(receive(&frame, &longer[..1], &[]).end(), (frame, true));
}

#[test]
fn a_stream_in_crumbs_is_refused() {
    let mut mending = Mending::default();
    let crumbs = (1..).map_while(|n| mending.push(n * 2, Bytes::from_static(b"x")).ok()).count();
    assert_eq!(crumbs, PIECES);
}

proptest! {
    #[test]
    fn whatever_is_lost_the_frame_is_the_one_that_was_sent_or_none(
        length in 1..40_000usize,
        lost in proptest::collection::vec(any::<bool>(), 29),
        kept in proptest::collection::vec(any::<bool>(), 16),
    ) {
        let (frame, pieces) = protected(length);
        let lost: Vec<usize> = (0..29).filter(|n| lost[*n]).collect();
        let pieces: Vec<Piece> = pieces.into_iter().zip(kept).filter_map(|(piece, kept)| kept.then_some(piece)).collect();
        if let Some(mended) = receive(&frame, &pieces, &lost).mend().unwrap() {
            prop_assert_eq!(mended, frame);
        }
    }
}
