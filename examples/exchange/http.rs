//! HTTP on both sides, with hyper. The protocol crate sees requests and responses only; sockets, time limits and
//! threads are all here. Every wait has an end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use as2_protocol::bytes::Bytes;
use as2_protocol::http::{Request, Response, StatusCode};
use as2_protocol::{Delivery, NextStep, PendingMdn, TransportFailure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::company::{Answer, Company};

/// Where each company takes messages and receipts.
pub(crate) const PATH: &str = "/as2";

const EXCHANGE_TIME: Duration = Duration::from_secs(20);
const HEADER_TIME: Duration = Duration::from_secs(5);
const CONNECTION_TIME: Duration = Duration::from_secs(120);
const MAX_CONNECTIONS: usize = 32;
/// Octets of a request or response; the library's own limits apply below that.
const MAX_BODY: usize = 256 << 20;

/// Posts messages and receipts.
#[derive(Clone)]
pub(crate) struct Client(HyperClient<HttpConnector, Full<Bytes>>);

impl Client {
    pub(crate) fn new() -> Self {
        let mut builder = HyperClient::builder(TokioExecutor::new());
        // Header names are case-insensitive; this spelling pleases readers of network traces.
        Self(builder.http1_title_case_headers(true).pool_timer(TokioTimer::new()).build_http())
    }

    /// Sends a request and reads the whole response, or says why there is none.
    pub(crate) async fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportFailure> {
        match timeout(EXCHANGE_TIME, self.exchange(request)).await {
            Ok(result) => result,
            Err(_) => Err(TransportFailure::new(format!("no response within {} s", EXCHANGE_TIME.as_secs()))),
        }
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportFailure> {
        let failure = |error: &dyn std::error::Error| TransportFailure::new(with_causes(error));
        let response = self.0.request(request.map(Full::new)).await.map_err(|error| failure(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| failure(error.as_ref()))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// Delivers an asynchronous receipt: the same octets at every attempt, as the agreement says.
    async fn deliver(self, receipt: PendingMdn, company: Arc<Company>) {
        let (partner, mut delivery) = (&company.partner, Delivery::of_receipt());
        loop {
            match delivery.next_step(partner.profile(), SystemTime::now()) {
                NextStep::Send => {
                    delivery.sent(SystemTime::now());
                    let answer = self.post(receipt.request.to_request()).await;
                    let now = SystemTime::now();
                    let outcome = receipt.on_response(answer.as_ref().map_err(Clone::clone), partner, now);
                    delivery.answered(&outcome, partner, now);
                }
                NextStep::WaitUntil(due) => sleep(due.duration_since(SystemTime::now()).unwrap_or_default()).await,
                NextStep::GiveUp(why) => return company.log(format!("the receipt could not be delivered: {why}")),
                _ => return,
            }
        }
    }
}

/// Accepts connections for a company until the program ends.
pub(crate) async fn serve(listener: TcpListener, company: Arc<Company>, client: Client) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(permit) = permits.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, company.clone(), client.clone(), permit));
            }
            Err(error) => {
                // Out of file descriptors, for example: that passes.
                company.log(format!("no connection accepted: {error}"));
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, company: Arc<Company>, client: Client, _permit: OwnedSemaphorePermit) {
    let log = company.clone();
    let service = service_fn(move |request| {
        let (company, client) = (company.clone(), client.clone());
        async move { Ok::<_, Infallible>(answer(request, company, client).await.map(Full::new)) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    // An idle connection is closed in the end; the client opens another one.
    if let Ok(Err(error)) = timeout(CONNECTION_TIME, serving).await {
        log.log(format!("connection lost: {}", with_causes(&error)));
    }
}

async fn answer(request: Request<Incoming>, company: Arc<Company>, client: Client) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    if head.uri.path() != PATH {
        return status(StatusCode::NOT_FOUND);
    }
    let body = match timeout(EXCHANGE_TIME, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return status(StatusCode::PAYLOAD_TOO_LARGE);
        }
        Ok(Err(_)) => return status(StatusCode::BAD_REQUEST),
        Err(_) => return status(StatusCode::REQUEST_TIMEOUT),
    };
    // RSA and files take milliseconds: they belong on a thread that may wait.
    let worker = company.clone();
    let work = tokio::task::spawn_blocking(move || worker.receive(Request::from_parts(head, body)));
    let Ok(Answer { response, receipt }) = work.await else {
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    };
    if let Some(receipt) = receipt {
        // It may overtake the response. The sender is prepared: he saved what he waits for before he sent.
        tokio::spawn(client.deliver(receipt, company));
    }
    response
}

fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// The error and what it was caused by: hyper tells the reason in the causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
