# Install as /etc/cron.d/session-warden, owned by root, without the extension: Debian's cron ignores names with a dot.
# The sixth word is the user who runs it; root judges the sessions in the home of the map's owner.
5 * * * * root /usr/local/bin/session-warden clean -q
