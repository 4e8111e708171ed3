//! A sentinel that names whatever a test wants.

#![allow(dead_code)] // no test file uses every method

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use test_support::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A fake sentinel: its reply to every request names the port in `names`.
pub(crate) struct FakeSentinel {
    pub(crate) port: u16,
    names: Arc<AtomicU16>,
    asked: Arc<Mutex<u32>>,
}

impl FakeSentinel {
    pub(crate) async fn start(names: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fake = FakeSentinel {
            port,
            names: Arc::new(AtomicU16::new(names)),
            asked: Arc::default(),
        };
        let (names, asked) = (Arc::clone(&fake.names), Arc::clone(&fake.asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (names, asked) = (Arc::clone(&names), Arc::clone(&asked));
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    while let Ok(1..) = stream.read(&mut buffer).await {
                        *asked.lock().unwrap() += 1;
                        let port = names.load(Ordering::Relaxed).to_string();
                        let answer =
                            format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        fake
    }

    pub(crate) fn name(&self, server: &RedisServer) {
        self.names.store(server.port(), Ordering::Relaxed);
    }

    pub(crate) fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/m", self.port)
    }
}
