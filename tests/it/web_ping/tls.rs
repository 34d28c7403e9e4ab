//! The page over TLS: nobody gets the key whose certificate is not vouched for. The certificate of the
//! stand-in was made for it, and no other machine trusts it (`openssl req -x509`, P-256, for
//! `127.0.0.1`, without a CA).

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use session_warden::keepalive::web::{Limits, SessionKey, Site};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::*;

const CERTIFICATE: &[u8] = include_bytes!("tls/certificate.der");
const PRIVATE: &[u8] = include_bytes!("tls/key.der");

/// A stand-in over TLS, which tells its port, and what it was told.
fn guarded() -> (u16, Arc<Mutex<String>>) {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(PRIVATE.to_vec()));
    let config =
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(CERTIFICATE.to_vec())], key);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(String::new()));
    let theirs = Arc::clone(&heard);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut tls = Stream::new(&mut connection, &mut stream);
            let mut buffer = [0; 4096];
            let Ok(length) = tls.read(&mut buffer) else { continue };
            theirs.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            let body = json!([{ "uuid": ORG }]).to_string();
            let length = body.len();
            let _ = write!(tls, "HTTP/1.1 200 X\r\ncontent-length: {length}\r\n\r\n{body}");
            connection.send_close_notify();
            let _ = connection.complete_io(&mut stream);
        }
    });
    (port, heard)
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_before_the_key_is_sent() {
    let (port, heard) = guarded();
    let env = TestEnv::new();
    let job =
        "[[keepalive]]\nid = \"web\"\naction = \"claude-web-ping\"\nevery = \"1h\"\nattempts = 1\n";
    env.config(&format!("{job}key_file = \"~/key\"\nbase_url = \"https://127.0.0.1:{port}\"\n"));
    key(&env, KEY);
    let ran = run(&env, "run");
    ran.exits(3);
    assert!(
        ran.out.contains("failed: ") && ran.out.contains("invalid peer certificate"),
        "{ran:?}"
    );
    assert_eq!(*heard.lock().unwrap(), "");
}

#[test]
fn the_page_is_called_over_tls_where_its_certificate_is_vouched_for() {
    let (port, heard) = guarded();
    let roots = RootCerts::from(std::iter::once(Certificate::from_der(CERTIFICATE)));
    let tls = TlsConfig::builder().root_certs(roots).build();
    let key = SessionKey::parse(KEY).unwrap();
    let origin = format!("https://127.0.0.1:{port}");
    let site =
        Site::over(Site::config().tls_config(tls), &origin, key, Limits::default(), &|| false);
    let now = std::time::SystemTime::now().into();
    assert_eq!(site.organization(now), Ok(ORG.to_owned()));
    let heard = heard.lock().unwrap();
    assert!(heard.starts_with("GET /api/organizations HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains(&format!("cookie: sessionKey={KEY}\r\n")), "{heard}");
}
