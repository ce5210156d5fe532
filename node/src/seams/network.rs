//! Byte streams to and from other programs. TLS, HTTP/2 and gRPC run on top, the same over TCP and
//! over a simulated pipe.

use std::io;
use std::net::{IpAddr, SocketAddr};

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};

/// A connection, before anything is known about who is at its other end.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// Any byte stream.
pub type BoxByteStream = Box<dyn ByteStream>;

/// Opens connections.
pub trait Connector: Send + Sync + 'static {
    /// Connects to an address, host:port. The caller sets the deadline.
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxByteStream>>;
}

/// A connection somebody opened.
pub struct Accepted {
    /// The bytes.
    pub stream: BoxByteStream,
    /// Where it comes from, for logs.
    pub from: String,
}

/// Takes connections.
pub trait Listener: Send + 'static {
    /// The next connection.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>>;
}

/// TCP.
#[derive(Clone, Copy, Debug)]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxByteStream>> {
        let address = address.to_owned();
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxByteStream)
        })
    }
}

/// TCP from one address of this machine: where it has several interfaces, and firewalls or routes
/// that know a node by its own.
#[derive(Clone, Copy, Debug)]
pub struct TcpConnectorFrom {
    /// The address that connections come from.
    pub source: IpAddr,
}

impl Connector for TcpConnectorFrom {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<BoxByteStream>> {
        let (source, address) = (self.source, address.to_owned());
        Box::pin(async move {
            let mut failed = None;
            for to in lookup_host(&address).await? {
                let socket = match (source, to) {
                    (IpAddr::V4(_), SocketAddr::V4(_)) => TcpSocket::new_v4()?,
                    (IpAddr::V6(_), SocketAddr::V6(_)) => TcpSocket::new_v6()?,
                    _ => continue,
                };
                socket.bind(SocketAddr::new(source, 0)).map_err(|error| {
                    io::Error::new(error.kind(), format!("cannot come from {source}: {error}"))
                })?;
                match socket.connect(to).await {
                    Ok(stream) => {
                        stream.set_nodelay(true)?;
                        return Ok(Box::new(stream) as BoxByteStream);
                    }
                    Err(error) => failed = Some(error),
                }
            }
            Err(failed.unwrap_or_else(|| {
                let words = format!("{address} has no address of the kind of {source}");
                io::Error::new(io::ErrorKind::AddrNotAvailable, words)
            }))
        })
    }
}

/// A listening TCP socket.
pub struct TcpAcceptor {
    listener: TcpListener,
}

impl TcpAcceptor {
    /// Listens on an address, host:port.
    pub async fn bind(address: &str) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// The address, with the port that was chosen if it was 0.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Listener for TcpAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Accepted>> {
        Box::pin(async move {
            let (stream, from) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok(Accepted { stream: Box::new(stream), from: from.to_string() })
        })
    }
}
