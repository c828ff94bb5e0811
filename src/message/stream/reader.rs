//! A streamed message as something to read from.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Read};

use zeroize::Zeroizing;

use crate::error::SendError;
use crate::message::stream::outbound::{OutboundEnd, OutboundStream};

/// Octets of the payload that are taken at a time.
pub(crate) const PIECE: usize = 32 << 10;

/// What takes the receipt before the last octets are handed out.
type Save = Box<dyn FnOnce(OutboundEnd) -> Result<(), BoxError> + Send + Sync>;
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Why the octets of a streamed message end early. What was handed out is no message: break the connection off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The message cannot be built.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The payload cannot be read.
    #[error("the payload cannot be read: {0}")]
    Payload(#[source] BoxError),
    /// The receipt was not saved, so the message was not completed.
    #[error("the receipt was not saved, so the message was not completed: {0}")]
    Save(#[source] BoxError),
    /// An earlier error has made the message void.
    #[error("an earlier error has made the message void")]
    Void,
}

impl StreamError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Send(error) => error.code(),
            Self::Payload(_) => "PAYLOAD",
            Self::Save(_) => "SAVE",
            Self::Void => "VOID",
        }
    }
}

impl OutboundStream {
    /// The body of the message as a reader over a payload that is read as it is needed, for blocking HTTP clients.
    ///
    /// `save` is given the receipt before the last octets are handed out. If it fails the message is not completed.
    ///
    /// ```no_run
    /// # use as2_protocol::*;
    /// # fn save(_: &OutboundEnd) -> std::io::Result<()> { Ok(()) }
    /// # fn post(_: http::Request<impl std::io::Read>) -> std::io::Result<()> { Ok(()) }
    /// # fn send(message: OutboundStream, file: std::fs::File) -> std::io::Result<()> {
    /// let head = message.head().to_request();
    /// let body = message.read_from(file, |end| Ok(save(&end)?));
    /// post(head.map(|()| body))
    /// # }
    /// ```
    pub fn read_from<R: Read>(
        self,
        payload: R,
        save: impl FnOnce(OutboundEnd) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> OutboundReader<R> {
        OutboundReader { payload, plain: Zeroizing::new(vec![0; PIECE]), driver: Driver::new(self, save) }
    }
}

/// The body of a message, read from: see [`OutboundStream::read_from`].
///
/// Errors are [`StreamError`]s inside [`io::Error`]; after one, every further call is an error, too.
pub struct OutboundReader<R> {
    payload: R,
    plain: Zeroizing<Vec<u8>>,
    driver: Driver,
}

impl<R: Read> Read for OutboundReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !out.is_empty() {
            let taken = self.driver.take(out);
            if taken > 0 || self.driver.is_done() {
                return Ok(taken);
            }
            self.driver.check().map_err(io::Error::other)?;
            match self.payload.read(&mut self.plain) {
                Ok(0) => self.driver.finish().map_err(io::Error::other)?,
                Ok(count) => {
                    self.driver.write(self.plain.get(..count).unwrap_or_default()).map_err(io::Error::other)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(io::Error::other(self.driver.broken(error.into()))),
            }
        }
        Ok(0)
    }
}

impl<R> fmt::Debug for OutboundReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = self.driver.stream.as_ref().map(|(stream, _)| stream);
        f.debug_struct("OutboundReader").field("stream", &stream).finish_non_exhaustive()
    }
}

/// A stream, what came out of it and was not fetched yet, and what becomes of its receipt.
pub(crate) struct Driver {
    /// `None` once it has ended, well or not.
    stream: Option<(OutboundStream, Save)>,
    /// Why it ended early; told at every further call.
    broken: bool,
    wire: Vec<u8>,
    /// Octets of `wire` that were fetched.
    fetched: usize,
}

impl Driver {
    pub(crate) fn new(
        stream: OutboundStream,
        save: impl FnOnce(OutboundEnd) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self { stream: Some((stream, Box::new(save))), broken: false, wire: Vec::new(), fetched: 0 }
    }

    /// Whether all octets were fetched.
    pub(crate) fn is_done(&self) -> bool {
        self.stream.is_none() && !self.broken && self.fetched == self.wire.len()
    }

    fn take(&mut self, out: &mut [u8]) -> usize {
        let ready = self.wire.get(self.fetched..).unwrap_or_default();
        let count = ready.len().min(out.len());
        if let (Some(out), Some(ready)) = (out.get_mut(..count), ready.get(..count)) {
            out.copy_from_slice(ready);
        }
        self.fetched += count;
        count
    }

    /// All that is ready; for bodies, which hand it on without a copy.
    #[cfg(feature = "http-body")]
    pub(crate) fn take_all(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.wire)
    }

    pub(crate) fn write(&mut self, plain: &[u8]) -> Result<(), StreamError> {
        self.reuse();
        let Some((stream, _)) = &mut self.stream else { return Err(StreamError::Void) };
        let written = stream.write(plain, &mut self.wire);
        written.map_err(|error| self.void(error.into()))
    }

    /// Ends the stream: first the receipt is saved, then the last octets can be fetched.
    pub(crate) fn finish(&mut self) -> Result<(), StreamError> {
        self.reuse();
        let Some((stream, save)) = self.stream.take() else { return Err(StreamError::Void) };
        let finished = stream.finish(&mut self.wire).map_err(StreamError::Send);
        finished.and_then(|end| save(end).map_err(StreamError::Save)).map_err(|error| self.void(error))
    }

    /// The payload broke off.
    pub(crate) fn broken(&mut self, error: BoxError) -> StreamError {
        self.void(StreamError::Payload(error))
    }

    /// Nothing more comes out, least of all the end.
    fn void(&mut self, error: StreamError) -> StreamError {
        (self.stream, self.broken) = (None, true);
        self.wire.clear();
        self.fetched = 0;
        error
    }

    /// After an error there is no end, only that error's echo.
    pub(crate) fn check(&self) -> Result<(), StreamError> {
        if self.broken { Err(StreamError::Void) } else { Ok(()) }
    }

    fn reuse(&mut self) {
        if self.fetched == self.wire.len() {
            self.wire.clear();
            self.fetched = 0;
        }
    }
}
