//! Octets on their way between a thread that may wait for disks and keys, and hyper, which must not.

use std::pin::Pin;
use std::task::{Context, Poll};

use as2_protocol::bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::BoxError;

/// Pieces that wait at most: with 64 KiB each, this bounds the memory between the two.
const PIECES: usize = 2;

/// Octets that hyper may buffer for itself, per direction.
pub(crate) const HTTP_BUFFER: usize = 64 << 10;

/// A piece of a body. The end is said, not guessed: a thread that fails must not look like one that is done, since the
/// partner would take a part for the whole.
enum Piece {
    Octets(Bytes),
    End,
}

/// Where pieces go in.
pub(crate) struct Pieces(mpsc::Sender<Piece>);

/// Where they come out: by hand, or as the body of a request.
pub(crate) struct Wire {
    pieces: mpsc::Receiver<Piece>,
    length: Option<u64>,
    handed_out: u64,
    ended: bool,
}

/// `length` is that of the whole body, if it is known.
pub(crate) fn wire(length: Option<u64>) -> (Pieces, Wire) {
    let (sender, pieces) = mpsc::channel(PIECES);
    (Pieces(sender), Wire { pieces, length, handed_out: 0, ended: false })
}

/// The other end takes no more.
#[derive(Debug)]
pub(crate) struct Closed;

impl Pieces {
    /// Waits until there is room.
    pub(crate) fn send(&self, octets: Bytes) -> Result<(), Closed> {
        self.0.blocking_send(Piece::Octets(octets)).map_err(|_| Closed)
    }

    /// Nothing follows, and nothing is missing.
    pub(crate) fn end(self) -> Result<(), Closed> {
        self.0.blocking_send(Piece::End).map_err(|_| Closed)
    }

    pub(crate) async fn pass(&self, octets: Bytes) -> Result<(), Closed> {
        self.0.send(Piece::Octets(octets)).await.map_err(|_| Closed)
    }

    pub(crate) async fn pass_end(self) -> Result<(), Closed> {
        self.0.send(Piece::End).await.map_err(|_| Closed)
    }
}

impl Wire {
    /// The next octets, `None` at the end; an error if they break off.
    pub(crate) fn take(&mut self) -> Result<Option<Bytes>, BoxError> {
        match self.pieces.blocking_recv() {
            Some(Piece::Octets(octets)) => Ok(Some(octets)),
            Some(Piece::End) => Ok(None),
            None => Err("the body breaks off".into()),
        }
    }
}

impl Body for Wire {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Piece::Octets(octets)) => {
                self.handed_out = self.handed_out.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
                Some(Ok(Frame::data(octets)))
            }
            Some(Piece::End) => {
                self.ended = true;
                None
            }
            None => Some(Err("the message could not be completed".into())),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.length.map(|length| length.saturating_sub(self.handed_out));
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
