//! A small server: a path in, a page out. What is asked is asked by GET, and each answer ends its
//! connection.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

/// How many connections are served at once; more wait. Whoever says nothing takes up one of them, though not
/// for long.
const AT_ONCE: usize = 512;

/// How long somebody may take to ask, and how long a connection may take as a whole.
const TO_ASK: Duration = Duration::from_secs(2);
const TIME: Duration = Duration::from_secs(10);

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Whether all is well; else the status is 503.
    pub(super) is_well: bool,
    /// What kind of text it is.
    pub(super) kind: &'static str,
    /// The text.
    pub(super) text: String,
}

/// Serves in a thread of its own, for as long as the process lives. `answer` tells the page of a path;
/// nothing where there is none.
pub(super) fn spawn(
    listeners: Vec<TcpListener>,
    answer: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static,
) -> io::Result<()> {
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let answer = Arc::new(answer);
    thread::Builder::new().name("http".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let places = Arc::new(Semaphore::new(AT_ONCE));
            let mut all = Vec::new();
            for listener in listeners {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { continue };
                let (places, answer) = (Arc::clone(&places), Arc::clone(&answer));
                all.push(tokio::spawn(accept(listener, places, answer)));
            }
            for one in all {
                let _ = one.await;
            }
        });
    })?;
    Ok(())
}

/// Answers whoever comes, for ever.
async fn accept<A>(listener: tokio::net::TcpListener, places: Arc<Semaphore>, answer: Arc<A>)
where
    A: Fn(&str) -> Option<Answer> + Send + Sync + 'static,
{
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Too many files are open, say. It will pass.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let page = move |request: Request<Incoming>| {
                let response = respond(&request, &*answer);
                async move { Ok::<_, Infallible>(response) }
            };
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(TO_ASK)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service_fn(page));
            // Whoever goes away or says nothing sensible is nobody's concern.
            let _ = tokio::time::timeout(TIME, served).await;
            drop(place);
        });
    }
}

fn respond(
    request: &Request<Incoming>,
    answer: &dyn Fn(&str) -> Option<Answer>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        headers.insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return response;
    }
    let Some(answer) = answer(request.uri().path()) else {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(answer.kind));
    if !answer.is_well {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    *response.body_mut() = Full::from(answer.text);
    response
}
