# To be installed as /etc/cron.d/session-warden, owned by root and not writable for others. There without
# the ending: Debian's cron reads no file whose name has a dot.
#
# The sixth word is who runs it. As root, it cleans the map of whoever that belongs to, and looks at the
# sessions in that user's home. With -q, cron sends mail only where something went wrong.
5 * * * * root /usr/local/bin/session-warden clean -q
