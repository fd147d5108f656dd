-- The library is one chunk: check it as it is assembled, `cat lua/*.lua | luacheck -`.
std = 'lua51'
read_globals = { 'redis', 'LIBRARY_VERSION', 'LIBRARY_HASH' }
max_line_length = 125
