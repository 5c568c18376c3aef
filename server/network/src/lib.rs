//! Bridge, addresses, DHCP and DNS, NAT, port rules.
