# Install as /etc/cron.d/session-warden, owned by root and not writable by others, without the extension:
# Debian's cron ignores files with a dot in their name.
#
# The sixth word is the user who runs it. As root, it judges the sessions in the home of the map's owner.
# With -q, cron sends mail only if something went wrong.
5 * * * * root /usr/local/bin/session-warden clean -q
