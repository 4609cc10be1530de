# A web server that needs nothing but Debian's perl-base: answers every request on port 80 with "hello".
use strict;
use warnings;
use Socket;

socket(my $server, PF_INET, SOCK_STREAM, 0) or die $!;
bind($server, sockaddr_in(80, INADDR_ANY)) or die $!;
listen($server, 16) or die $!;
while (accept(my $client, $server)) {
  sysread $client, my $request, 65536;
  syswrite $client, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";
}
