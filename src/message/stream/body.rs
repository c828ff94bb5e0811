//! A streamed message as the body of an HTTP library.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::message::stream::outbound::{OutboundEnd, OutboundStream};
use crate::message::stream::reader::{BoxError, Driver, PIECE, StreamError};

impl OutboundStream {
    /// The body of the message over a payload that is a body itself, for hyper, reqwest and others that read
    /// [`http_body::Body`].
    ///
    /// `save` is given the receipt before the last octets are handed out. If it fails the message is not completed. It
    /// must not block for long, and neither may the signing key: where they do, drive the stream by hand.
    pub fn into_body<B>(
        self,
        payload: B,
        save: impl FnOnce(OutboundEnd) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> OutboundBody<B>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let length = self.head().content_length();
        OutboundBody { payload: Box::pin(payload), data: None, length, handed_out: 0, driver: Driver::new(self, save) }
    }
}

/// The body of a message, for HTTP libraries: see [`OutboundStream::into_body`].
pub struct OutboundBody<B: Body> {
    payload: Pin<Box<B>>,
    /// What came from it and is not taken yet.
    data: Option<B::Data>,
    length: Option<u64>,
    handed_out: u64,
    driver: Driver,
}

impl<B> Body for OutboundBody<B>
where
    B: Body,
    B::Data: Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        loop {
            let wire = self.driver.take_all();
            if !wire.is_empty() {
                self.handed_out = self.handed_out.saturating_add(u64::try_from(wire.len()).unwrap_or(u64::MAX));
                return Poll::Ready(Some(Ok(Frame::data(wire.into()))));
            }
            if self.driver.is_done() {
                return Poll::Ready(None);
            }
            let done = match self.driver.check().and_then(|()| self.take_piece()) {
                Ok(true) => Ok(()),
                Ok(false) => match ready!(self.payload.as_mut().poll_frame(context)) {
                    None => self.driver.finish(),
                    Some(Ok(frame)) => {
                        // Trailers say nothing about a document.
                        self.data = frame.into_data().ok();
                        Ok(())
                    }
                    Some(Err(error)) => Err(self.driver.broken(error.into())),
                },
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.driver.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.length.map(|length| length.saturating_sub(self.handed_out));
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl<B: Body> OutboundBody<B> {
    /// Takes one piece of the payload, if any is at hand: a large one must not become a large buffer.
    fn take_piece(&mut self) -> Result<bool, StreamError> {
        let Some(data) = self.data.as_mut().filter(|data| data.has_remaining()) else { return Ok(false) };
        let piece = data.chunk();
        let piece = piece.get(..PIECE).unwrap_or(piece);
        let count = piece.len();
        self.driver.write(piece)?;
        data.advance(count);
        Ok(true)
    }
}

impl<B: Body> fmt::Debug for OutboundBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundBody").field("length", &self.length).finish_non_exhaustive()
    }
}
