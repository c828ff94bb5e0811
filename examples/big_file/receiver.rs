//! The receiving process: a server on loopback that lets a message pass into the quarantine, and answers.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use as2_protocol::bytes::Bytes;
use as2_protocol::http::request::Parts;
use as2_protocol::http::{Request, Response, StatusCode};
use as2_protocol::{
    AcceptedStream, Authenticity, Certificate, Identity, InboundEnd, InboundError, InboundStream, Limits,
    MessageParser, Partner, Reply,
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::keys::Credentials;
use crate::link::{Finding, Hello, Report, Welcome, read, tell};
use crate::memory::Before;
use crate::options::Options;
use crate::quarantine::QuarantineFile;
use crate::wire::{HTTP_BUFFER, Pieces, Wire, wire};
use crate::{BoxError, Fallible, terms};

/// How long the next octets may take: longer than the sender needs to bring a spool onto a slow disk.
const PATIENCE: Duration = Duration::from_secs(300);
/// When a sender should come again whose message could not be kept.
const PAUSE: Duration = Duration::from_secs(60);

/// All that the server needs.
struct Station {
    identity: Identity,
    partner: Partner,
    folder: PathBuf,
    limits: Limits,
    /// Where the connection of the first request is broken off.
    cut: Option<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: u32,
    before: Option<Before>,
    report: Report,
}

/// Serves until standard input is closed, then reports.
pub(crate) fn run(options: &Options) -> Fallible<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(options))
}

async fn serve(options: &Options) -> Fallible<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let credentials = Credentials::generate("Harbour Supply", SystemTime::now())?;
    let url = format!("http://{}/as2", listener.local_addr()?);
    tell(&mut io::stdout(), &Hello { url: url.clone(), certificate: credentials.pem.clone() })?;
    let welcome: Welcome = read(&mut io::stdin().lock())?;
    let certificate = Certificate::from_pem(welcome.certificate.as_bytes())?;

    let mut limits = Limits::default();
    // This partner may send as much as was agreed, and what the layers add.
    limits.body = options.size.saturating_add(options.size / 8).saturating_add(1 << 20);
    limits.inflated = limits.body;
    let station = Arc::new(Station {
        identity: credentials.identity()?,
        partner: terms::of_receiver(options, url.parse()?, certificate)?,
        folder: options.dir.clone().ok_or("the receiver needs --dir")?,
        limits,
        cut: options.cut,
        state: Mutex::default(),
    });
    let mut closed = until_input_ends();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                tokio::spawn(station.clone().connection(accepted?.0));
            }
            _ = &mut closed => break,
        }
    }
    let report = station.with(|state| Report {
        memory: state.before.as_ref().map(Before::until_now),
        findings: std::mem::take(&mut state.report.findings),
    });
    Ok(tell(&mut io::stdout(), &report)?)
}

/// The sender closes our input when it is done, or has died.
fn until_input_ends() -> oneshot::Receiver<()> {
    let (ended, closed) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink());
        let _ = ended.send(());
    });
    closed
}

impl Station {
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(|request| self.clone().answer(request));
        let mut server = http1::Builder::new();
        let server = server.timer(TokioTimer::new()).max_buf_size(HTTP_BUFFER);
        // Why a connection ends early stands in the findings.
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    }

    /// Octets come here from hyper, and go to a thread that may wait for keys and disks.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BoxError> {
        let (head, body) = request.into_parts();
        let number = self.with(|state| {
            state.requests += 1;
            state.before.get_or_insert_with(Before::now);
            state.requests
        });
        let (pieces, wire) = wire(None);
        let station = self.clone();
        let work = tokio::task::spawn_blocking(move || station.take(&head, wire, number));
        let passed = pass(body, pieces, self.cut.filter(|_| number == 1)).await;
        let taken = work.await?;
        passed?; // without its end no message is answered
        Ok(taken.map(Full::new))
    }

    /// Takes a message in, and says what became of it.
    fn take(&self, head: &Parts, mut body: Wire, number: u32) -> Response<Bytes> {
        let parsed = MessageParser::new(self.limits.clone()).head(head);
        let reply = match parsed {
            Ok(head) => {
                let profile = self.partner.profile();
                let known = *head.to() == profile.us && *head.from() == profile.them;
                let partner = known.then_some(&self.partner);
                self.pass_by(head.stream(&self.identity, partner, SystemTime::now()), &mut body, number)
            }
            Err(rejection) => {
                self.not_taken(rejection.code(), &rejection);
                Ok(Reply::from(rejection))
            }
        };
        match reply {
            Ok(reply) => reply.response.to_response(),
            Err(error) => {
                self.not_taken("CONNECTION", error.as_ref());
                status(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    /// The message passes by, its document goes into the quarantine, and the verdict comes at the end.
    fn pass_by(&self, mut stream: InboundStream, body: &mut Wire, number: u32) -> Fallible<Reply> {
        let mut quarantine = QuarantineFile::new(&self.folder, number)?;
        let end = loop {
            // If the body breaks off, stream and quarantine are dropped here.
            let Some(octets) = body.take()? else { break stream.finish(&mut quarantine) };
            if let Err(error) = stream.write(&octets, &mut quarantine) {
                break Err(error);
            }
        };
        let now = SystemTime::now();
        Ok(match end {
            Ok(InboundEnd::Accepted(message)) => self.store(*message, quarantine, now),
            Ok(InboundEnd::Refused(refused)) => {
                self.not_taken(refused.error().code(), refused.error());
                refused.mdn().build(now)
            }
            Ok(InboundEnd::Mdn(_)) => return Err("a receipt came, and nothing was sent".into()),
            Err(error) => self.fail(error),
        })
    }

    /// First the document leaves the quarantine and is safe, then it is acknowledged.
    fn store(&self, message: AcceptedStream, quarantine: QuarantineFile, now: SystemTime) -> Reply {
        let start = Instant::now();
        let path = match quarantine.accept() {
            Ok(path) => path,
            Err(error) => {
                self.not_taken("STORAGE", &error);
                return message.defer(PAUSE);
            }
        };
        let octets = message.root().map_or(0, as2_protocol::StreamedDocument::len);
        let signed = matches!(message.authenticity(), Authenticity::Signed { .. });
        let layers = message.layers().iter().map(ToString::to_string).collect();
        self.found(Finding::Stored { path, octets, layers, signed, storing: start.elapsed() });
        message.stored().build(now)
    }

    fn fail(&self, error: InboundError) -> Reply {
        self.not_taken(error.code(), &error);
        error.into_reply(PAUSE)
    }

    fn not_taken(&self, code: &str, error: &(dyn std::error::Error + 'static)) {
        self.found(Finding::NotTaken { code: code.to_owned(), error: crate::with_causes(error) });
    }

    fn found(&self, finding: Finding) {
        self.with(|state| state.report.findings.push(finding));
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Hands the body on until its end, or until it is cut.
async fn pass(mut body: Incoming, pieces: Pieces, cut: Option<u64>) -> Fallible<()> {
    let mut passed = 0u64;
    while let Some(frame) = timeout(PATIENCE, body.frame()).await? {
        let Ok(octets) = frame?.into_data() else { continue };
        passed = passed.saturating_add(u64::try_from(octets.len())?);
        if cut.is_some_and(|cut| passed > cut) {
            return Err("the connection is broken off, as --cut says".into());
        }
        if pieces.pass(octets).await.is_err() {
            // It is refused already. Many senders read no answer before all is sent, so the rest is read all the same.
            while let Some(frame) = timeout(PATIENCE, body.frame()).await? {
                frame?;
            }
            return Ok(());
        }
    }
    let _ = pieces.pass_end().await;
    Ok(())
}

fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
