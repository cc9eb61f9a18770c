-- Pages that are never the same twice, for nginx: see spots.py.
local bit = require "bit"
local band, bxor, rshift = bit.band, bit.bxor, bit.rshift

local MARK = string.rep("\1\2\3\4\5\6\7\8", 2)
local pages = {
--PAGES--
}

local table_of = {}
for n = 0, 255 do
    local c = n
    for _ = 1, 8 do
        c = band(c, 1) == 1 and bxor(rshift(c, 1), 0xEDB88320) or rshift(c, 1)
    end
    table_of[n] = c
end

local function read(path)
    local file = assert(io.open(path, "rb"))
    local data = file:read("*a")
    file:close()
    return data
end

-- The pieces, at odd places; the token goes between them.
local function split(data)
    local pieces, from = {}, 1
    while true do
        local first, last = data:find(MARK, from, true)
        pieces[#pieces + 1] = data:sub(from, first and first - 1)
        if not first then return pieces, #data end
        pieces[#pieces + 1] = ""
        from = last + 1
    end
end

for _, page in pairs(pages) do
    page.gz, page.gz_size = split(read(page.file .. ".gz"))
    page.plain = split(read(page.file .. ".plain"))
end

local function little_endian(n)
    return string.char(band(n, 255), band(rshift(n, 8), 255), band(rshift(n, 16), 255), band(rshift(n, 24), 255))
end

local function trailer(page, token)
    local own = 0
    for i = 1, #token do
        own = bxor(rshift(own, 8), table_of[band(bxor(own, token:byte(i)), 255)])
    end
    local crc = page.crc
    for i = 0, 31 do
        if band(rshift(own, i), 1) == 1 then crc = bxor(crc, page.columns[i + 1]) end
    end
    return little_endian(crc) .. little_endian(page.size)
end

local function fill(pieces, token)
    for i = 2, #pieces, 2 do pieces[i] = token end
    return pieces
end

local function answer(coding, name)
    local page = pages[name]
    if not page then return ngx.exit(404) end
    local token = ngx.var.request_id:sub(1, 16)
    local accepted = ngx.var.http_accept_encoding
    ngx.header["Vary"] = "Accept-Encoding"
    if coding == "gz" and accepted and accepted:find("gzip", 1, true) then
        ngx.header["Content-Encoding"] = "gzip"
        ngx.header["Content-Length"] = page.gz_size + 8
        ngx.print(fill(page.gz, token), trailer(page, token))
    else
        ngx.header["Content-Length"] = page.size
        ngx.print(fill(page.plain, token))
    end
end

return { answer = answer }
