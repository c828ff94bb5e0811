//! `serve`: HTTP/1.1 on loopback with hyper, orders from standard input.

use std::convert::Infallible;
use std::future::Future;
use std::io::BufRead;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use as2_protocol::bytes::Bytes;
use as2_protocol::http::{Request, Response, StatusCode};
use as2_protocol::{FollowUp, TransportFailure};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::station::{Station, emit};
use crate::{Options, Trouble};

/// Bound of every wait for the other side.
pub(crate) const HTTP_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_BODY: usize = 64 << 20;

/// Runs until `{"cmd":"quit"}` or the end of standard input.
pub(crate) fn serve(options: &Options) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(run(options));
    // A thread that waits for standard input cannot be joined.
    runtime.shutdown_background();
    result
}

async fn run(options: &Options) -> Result<(), Trouble> {
    let port = options.get_or("port", "0").parse::<u16>()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = listener.local_addr()?.port();
    let station = Arc::new(Station::new(options, port)?);
    tokio::spawn(accept(listener, station.clone()));
    emit("listening", json!({"port": port}));
    let mut orders = orders();
    while let Some(line) = orders.recv().await {
        let order: Value = match serde_json::from_str(&line) {
            Ok(order) => order,
            Err(error) => {
                emit("error", json!({"detail": format!("{line:?} is no order: {error}")}));
                continue;
            }
        };
        match order.get("cmd").and_then(Value::as_str) {
            Some("quit") => break,
            Some("send") => report_trouble(station.send(&order)).await,
            _ => emit("error", json!({"detail": format!("unknown order {line:?}")})),
        }
    }
    Ok(())
}

/// The lines of standard input, read by a thread of their own.
fn orders() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

async fn report_trouble(work: impl Future<Output = Result<(), Trouble>>) {
    match work.await {
        Ok(()) => {}
        Err(Trouble::Unsupported(detail)) => emit("unsupported", json!({"detail": detail})),
        Err(error) => emit("error", json!({"detail": error.to_string()})),
    }
}

async fn accept(listener: TcpListener, station: Arc<Station>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(converse(stream, station.clone()))),
            Err(error) => return emit("error", json!({"detail": format!("accepting connections: {error}")})),
        }
    }
}

/// One request and its answer, and what is left to do once the answer is written: one request per connection makes
/// that moment visible.
async fn converse(stream: TcpStream, station: Arc<Station>) {
    let follow_up = Mutex::new(FollowUp::None);
    let service = service_fn(|request| async {
        let (response, rest) = respond(&station, request).await;
        *follow_up.lock().unwrap_or_else(PoisonError::into_inner) = rest;
        Ok::<_, Infallible>(response.map(Full::new))
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(HTTP_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        eprintln!("connection: {error}");
    }
    let rest = follow_up.into_inner().unwrap_or_else(PoisonError::into_inner);
    report_trouble(finish(rest)).await;
}

async fn respond(station: &Station, request: Request<Incoming>) -> (Response<Bytes>, FollowUp) {
    let (parts, body) = request.into_parts();
    let collected = tokio::time::timeout(HTTP_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    let Ok(Ok(body)) = collected else {
        return (empty(StatusCode::BAD_REQUEST), FollowUp::None);
    };
    match station.receive(Request::from_parts(parts, body.to_bytes())) {
        Ok(reply) => (reply.response.to_response(), reply.follow_up),
        Err(error) => {
            emit("error", json!({"detail": error.to_string()}));
            (empty(StatusCode::INTERNAL_SERVER_ERROR), FollowUp::None)
        }
    }
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// Posts an asynchronous receipt.
async fn finish(follow_up: FollowUp) -> Result<(), Trouble> {
    match follow_up {
        FollowUp::None => Ok(()),
        FollowUp::Post(mdn) => {
            let response = post(mdn.request.to_request()).await?;
            if response.status().is_success() {
                return Ok(());
            }
            Err(Trouble::other(format!("the receipt was answered with {}", response.status())))
        }
        FollowUp::Blocked { url, reason } => Err(Trouble::other(format!("no receipt goes to {url}: {reason}"))),
        other => Err(Trouble::Unsupported(format!("{other:?}"))),
    }
}

/// One request and its whole response, within [`HTTP_TIMEOUT`].
pub(crate) async fn post(request: Request<Bytes>) -> Result<Response<Bytes>, TransportFailure> {
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let response = client.request(request.map(Full::new)).await.map_err(|error| describe(&error))?;
        let (parts, body) = response.into_parts();
        let body =
            Limited::new(body, MAX_BODY).collect().await.map_err(|error| TransportFailure::new(error.to_string()))?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    match tokio::time::timeout(HTTP_TIMEOUT, exchange).await {
        Ok(result) => result,
        Err(_) => Err(TransportFailure::new(format!("no response within {HTTP_TIMEOUT:?}"))),
    }
}

/// An error and its causes.
fn describe(error: &dyn std::error::Error) -> TransportFailure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    TransportFailure::new(text)
}
