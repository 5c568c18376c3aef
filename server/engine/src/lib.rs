//! The service: desired state against observed state, tasks, permissions, audit, doctor; serves the socket.
