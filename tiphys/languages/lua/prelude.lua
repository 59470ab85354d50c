-- Makes of a fresh state of real Lua 5.1 what gopher-lua 1.1.2 is to a script, without its ways out of the process.
-- Called with the blob of case pairs; returns the functions that the host calls. A script sees none of the locals below.

local cases = ...
local assert, error, getmetatable, next, pcall, rawget, rawset, select, setmetatable, tonumber, tostring, type =
  assert, error, getmetatable, next, pcall, rawget, rawset, select, setmetatable, tonumber, tostring, type
local loadstring, unpack, pairs = loadstring, unpack, pairs
local byte, char, find, format, gmatch, gsub, lower, match, rep, sub, upper =
  string.byte, string.char, string.find, string.format, string.gmatch, string.gsub, string.lower, string.match, string.rep,
  string.sub, string.upper
local concat, insert, maxn, remove, sort = table.concat, table.insert, table.maxn, table.remove, table.sort
local floor, fmod, huge, log = math.floor, math.fmod, math.huge, math.log
local date, time = os.date, os.time
local traceback, getinfo = debug.traceback, debug.getinfo
local globals = _G

local EXPONENT = 6 -- from here on Go's %v and %g write an exponent
local MAX_ARRAY = 67108864 -- gopher-lua's MaxArrayIndex: integer keys from here on are no part of a sequence

-- numbers -----------------------------------------------------------------------------------------------------------------------

-- The shortest decimal digits that read back as x (positive, finite), and the exponent of the first.
local function shortest(x)
  local text
  for precision = x < 3e-308 and 0 or 14, 16 do
    text = format("%." .. precision .. "e", x)
    if tonumber(text) == x then break end
  end
  local lead, digits, exponent = match(text, "^(%d)%.?(%d*)e([+-]%d+)$")
  digits = gsub(lead .. digits, "0+$", "")
  return digits == "" and "0" or digits, tonumber(exponent)
end

local function scientific(digits, exponent, two)
  local mantissa = sub(digits, 1, 1) .. (#digits > 1 and "." .. sub(digits, 2) or "")
  local sign = exponent < 0 and "-" or "+"
  return mantissa .. "e" .. sign .. format(two and "%02d" or "%d", exponent < 0 and -exponent or exponent)
end

local function positional(digits, exponent)
  if exponent < 0 then return "0." .. rep("0", -exponent - 1) .. digits end
  local whole = exponent + 1
  if #digits <= whole then return digits .. rep("0", whole - #digits) end
  return sub(digits, 1, whole) .. "." .. sub(digits, whole + 1)
end

local function special(x)
  if x ~= x then return "NaN" end
  if x == huge then return "+Inf" end
  if x == -huge then return "-Inf" end
end

-- Go's %v of a float64, but for whole numbers within 64 bits, which gopher-lua prints as integers.
local function text_of(x)
  if special(x) then return special(x) end
  if x == floor(x) and x >= -9223372036854775808 and x < 9223372036854775808 then
    return x == 0 and "0" or format("%.0f", x)
  end
  local sign = x < 0 and "-" or ""
  local digits, exponent = shortest(x < 0 and -x or x)
  if exponent < -4 or exponent >= EXPONENT then return sign .. scientific(digits, exponent, true) end
  return sign .. positional(digits, exponent)
end

-- Go's encoding/json.
local function json_number(x)
  if special(x) then error("the value " .. special(x) .. " cannot be written as JSON", 0) end
  if x == floor(x) and x > -1e15 and x < 1e15 then return format("%.0f", x) end
  local sign = x < 0 and "-" or ""
  local digits, exponent = shortest(x < 0 and -x or x)
  if exponent < -6 or exponent >= 21 then return sign .. scientific(digits, exponent, false) end
  return sign .. positional(digits, exponent)
end

local function printable(value)
  if type(value) == "number" then return text_of(value) end
  return tostring(value)
end

local function textual(value)
  if type(value) == "number" then return text_of(value) end
  return value
end

-- `..` of a script, of two values and more.
local function joined(...)
  local n = select("#", ...)
  local right = textual((select(n, ...)))
  for i = n - 1, 1, -1 do
    local left = textual((select(i, ...)))
    if type(left) ~= "string" or type(right) ~= "string" then
      local wrong = right
      if type(left) ~= "string" then wrong = left end
      local way = getmetatable(left) or getmetatable(right)
      local other = getmetatable(right)
      if not (type(way) == "table" and way.__concat or type(other) == "table" and other.__concat) then
        error("attempt to concatenate a " .. type(wrong) .. " value", 2)
      end
    end
    right = textual(left .. right)
  end
  return right
end

-- `#` of a script: the highest positive integer key of a table. The border that Lua finds is that but where holes are, so only small
-- tables are looked at in full.
local function length(value)
  local kind = type(value)
  if kind ~= "table" then
    if kind == "string" then return #value end
    error("attempt to get length of a " .. kind .. " value", 2)
  end
  local n = #value
  if n < 64 and next(value) ~= nil then
    local high = maxn(value)
    if high > n and high == floor(high) and high < MAX_ARRAY then return high end
  end
  return n
end

local function measured(value)
  local way = type(value) == "table" and getmetatable(value)
  if type(way) == "table" and way.__len ~= nil then return (way.__len(value)) end
  if type(value) ~= "table" and type(value) ~= "string" then error("attempt to get length of a " .. type(value) .. " value", 2) end
  return length(value)
end

-- base --------------------------------------------------------------------------------------------------------------------------

local function refuse(name)
  return function() error(name .. " is not available to scripts", 2) end
end

function globals.tostring(...)
  if select("#", ...) == 0 then error("bad argument #1 to tostring (value expected)", 2) end
  return printable((...))
end

function globals.tonumber(...)
  local value, base = ...
  if select("#", ...) == 0 then error("bad argument #1 to tonumber (value expected)", 2) end
  if type(value) == "number" then return value end
  if type(value) ~= "string" then return nil end
  local text = match(value, "^[ \n\t]*(.-)[ \n\t]*$")
  if find(text, ".", 1, true) then
    return match(text, "^[+-]?[%d.]+[eE]?[+-]?%d*$") and tonumber(text) or nil
  end
  if base == nil and match(text, "^0[xX]") then base, text = 16, sub(text, 3) end
  base = base or 10
  local sign, digits = match(text, "^([+-]?)(%w+)$")
  if not digits then return nil end
  local number = tonumber(digits, base)
  if base == 16 and match(digits, "^0[xX]") or base == 10 and find(digits, "%D") then number = nil end
  if not number or number >= 9223372036854775808 then return nil end
  return sign == "-" and -number or number
end

local function compiled(text, name)
  if sub(text, 1, 1) == "\27" then return nil, "bytecode is not taken" end
  return loadstring(text, name)
end

function globals.loadstring(text, name)
  if type(text) ~= "string" and type(text) ~= "number" then error("bad argument #1 to loadstring (string expected)", 2) end
  return compiled(text .. "", "=" .. (name and name .. "" or "<string>"))
end

function globals.load(reader, name)
  if type(reader) ~= "function" then error("bad argument #1 to load (function expected)", 2) end
  local parts = {}
  while true do
    local part = reader()
    if part == nil or part == "" then break end
    if type(part) ~= "string" and type(part) ~= "number" then return nil, "reader function must return a string" end
    parts[#parts + 1] = textual(part)
  end
  return compiled(concat(parts), "=" .. (name and name .. "" or "?"))
end

function globals.unpack(list, first, last)
  if type(list) ~= "table" then error("bad argument #1 to unpack (table expected)", 2) end
  return unpack(list, first or 1, last or length(list))
end

function globals.assert(...)
  local value, message = ...
  if value then return ... end
  if message == nil then message = "assertion failed!" end
  error(textual(message), 2)
end

local loaded = { _G = globals, string = string, table = table, math = math, coroutine = coroutine }

function globals.require(name)
  if loaded[name] then return loaded[name] end
  error("module " .. tostring(name) .. " not found: scripts load no modules", 2)
end

function globals.print() end
function globals.collectgarbage() end
function globals.dofile() error("dofile is not available to scripts", 2) end
function globals.loadfile() return nil, "files are not available to scripts" end
globals.module = refuse("module")
globals.package = { loaded = loaded, preload = {}, loaders = {}, path = "", cpath = "" }
globals._GOPHER_LUA_VERSION = "GopherLua 0.1"
for _, name in next, { "python", "gcinfo", "newproxy", "jit", "bit", "ffi" } do globals[name] = nil end

-- string ------------------------------------------------------------------------------------------------------------------------

local lowered, uppered

local function folded(text, ascii, pick)
  text = ascii(text)
  if not find(text, "[\128-\255]") then return text end
  if not lowered then
    lowered, uppered = {}, {}
    for high, low, way in gmatch(cases, "(%S+) (%S+) (%S)") do
      if way ~= "u" then lowered[high] = low end
      if way ~= "l" then uppered[low] = high end
    end
  end
  return (gsub(text, "[\194-\244][\128-\191]+", pick()))
end

function string.lower(text)
  return folded(text, lower, function() return lowered end)
end

function string.upper(text)
  return folded(text, upper, function() return uppered end)
end

-- An error of a function that is called from here, as one of the script's line.
local function relayed(ok, ...)
  if ok then return ... end
  local message = (...)
  local own = type(message) == "string" and (match(message, "^prelude:%d+: (.*)$") or find(message, "^%w+ ?%w* ?pattern") and message)
  if own then error(own, 3) end
  error(message, 0)
end

function string.find(text, pattern, ...)
  if pattern == "" then return 1, 0 end
  return relayed(pcall(find, text, pattern, ...))
end

-- A `%` before anything but a digit stands for itself in gopher-lua.
function string.gsub(text, pattern, replacement, ...)
  if type(replacement) == "string" and find(replacement, "%", 1, true) then
    replacement = gsub(replacement, "%%(.?)", function(following)
      return match(following, "[%d%%]") and "%" .. following or "%%" .. following
    end)
  end
  return relayed(pcall(gsub, text, pattern, replacement, ...))
end

local function quoted(text)
  text = gsub(text, '[%c"\\\127]', function(c)
    local names = { ["\a"] = "\\a", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\v"] = "\\v" }
    return c == '"' and '\\"' or c == "\\" and "\\\\" or names[c] or format("\\x%02x", byte(c))
  end)
  return '"' .. text .. '"'
end

local function rune(code)
  code = code < 0 and -floor(-code) or floor(code)
  if code < 0 or code > 0x10FFFF or code >= 0xD800 and code < 0xE000 then code = 0xFFFD end
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64) end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

-- Widths count characters in Go.
local function padded(text, flags, width)
  local missing = (tonumber(width) or 0) - select(2, gsub(text, "[^\128-\191]", ""))
  if missing <= 0 then return text end
  if find(flags, "-", 1, true) then return text .. rep(" ", missing) end
  return rep(find(flags, "0", 1, true) and "0" or " ", missing) .. text
end

local function cut(text, precision)
  if precision == "" then return text end
  local kept, wanted = 0, tonumber(sub(precision, 2)) or 0
  local position = 1
  while position <= #text and kept < wanted do
    local _, last = find(text, "^[^\128-\191][\128-\191]*", position)
    position, kept = (last or position) + 1, kept + 1
  end
  return sub(text, 1, position - 1)
end

local function formatted(flags, width, precision, verb, value)
  local kind = type(value)
  if verb == "s" or verb == "v" then return padded(cut(printable(value), precision), flags, width) end
  if verb == "q" then
    if kind == "string" or kind == "number" then return padded(quoted(cut(printable(value), precision)), flags, width) end
    return padded(quoted(printable(value)), flags, width)
  end
  if kind == "string" and (verb == "d" or verb == "i") then return padded(tonumber(value) and value or "0", flags, width) end
  if kind == "string" and (verb == "x" or verb == "X") then
    return padded((gsub(value, ".", function(c) return format("%02" .. verb, byte(c)) end)), flags, width)
  end
  if kind == "string" then return "%!" .. verb .. "(string=" .. padded(cut(value, precision), flags, width) .. ")" end
  if kind == "boolean" and verb == "t" then return padded(tostring(value), flags, width) end
  if kind == "nil" then return "&{}" end
  if kind == "boolean" then return "%!" .. verb .. "(lua.LBool=" .. tostring(value) .. ")" end
  if kind ~= "number" then return "%!" .. verb .. "(" .. printable(value) .. ")" end
  if verb == "c" then return padded(rune(value), flags, width) end
  if verb == "d" or verb == "i" or verb == "x" or verb == "X" or verb == "o" or verb == "b" then
    local whole = value < 0 and -floor(-value) or floor(value)
    if whole == 0 then whole = 0 end -- and not -0
    if special(whole) or whole < -9223372036854775808 or whole >= 9223372036854775808 then whole = -9223372036854775808 end
    local sign, magnitude = whole < 0 and "-" or "", whole < 0 and -whole or whole
    local digits
    if verb == "d" or verb == "i" then
      digits = format("%.0f", magnitude)
    else
      local radix, names = verb == "o" and 8 or verb == "b" and 2 or 16, "0123456789abcdef"
      digits = magnitude == 0 and "0" or ""
      while magnitude > 0 do
        local digit = fmod(magnitude, radix)
        digits, magnitude = sub(names, digit + 1, digit + 1) .. digits, floor(magnitude / radix)
      end
      if verb == "X" then digits = upper(digits) end
      if find(flags, "#", 1, true) then digits = (verb == "o" and "0" or verb == "b" and "0b" or "0" .. verb) .. digits end
    end
    if precision ~= "" then digits = rep("0", (tonumber(sub(precision, 2)) or 0) - #digits) .. digits end
    if sign == "" then sign = match(flags, "%+") or match(flags, " ") or "" end
    local zeros = find(flags, "0", 1, true) and not find(flags, "-", 1, true) and precision == ""
    if zeros then digits = rep("0", (tonumber(width) or 0) - #digits - #sign) .. digits end
    return padded(sign .. digits, zeros and "" or gsub(flags, "0", ""), width)
  end
  if special(value) then return padded(special(value), gsub(flags, "0", ""), width) end
  if (verb == "g" or verb == "G") and precision == "" then
    local sign = value < 0 and "-" or match(flags, "%+") or match(flags, " ") or ""
    local digits, exponent = "0", 0
    if value ~= 0 then digits, exponent = shortest(value < 0 and -value or value) end
    local text = (exponent < -4 or exponent >= EXPONENT) and scientific(digits, exponent, true) or positional(digits, exponent)
    return padded(sign .. (verb == "G" and upper(text) or text), flags, width)
  end
  if find("eEfFgG", verb, 1, true) then
    local native = verb == "F" and "f" or verb
    return format("%" .. flags .. sub(width, 1, 2) .. sub(precision, 1, 3) .. native, value)
  end
  return "%!" .. verb .. (value == floor(value) and "(int64=" or "(float64=") .. text_of(value) .. ")"
end

function string.format(template, ...)
  if type(template) ~= "string" and type(template) ~= "number" then
    error("bad argument #1 to format (string expected, got " .. type(template) .. ")", 2)
  end
  local values, given, used = { ... }, select("#", ...), 0
  return (gsub(textual(template), "%%([-+ #0]*)(%d*)(%.?%d*)(.?)", function(flags, width, precision, verb)
    if verb == "" then return "%!(NOVERB)" end
    if verb == "%" then return "%" end
    used = used + 1
    if used > given then return "%!" .. verb .. "(MISSING)" end
    if (tonumber(width) or 0) > 1000000 then error("a width of " .. width .. " is too large", 0) end
    return formatted(flags, width, precision, verb, values[used])
  end))
end

string.dump = refuse("string.dump")
string.gfind = gmatch

-- table -------------------------------------------------------------------------------------------------------------------------

local function checked(list, name)
  if type(list) ~= "table" then error("bad argument #1 to " .. name .. " (table expected, got " .. type(list) .. ")", 3) end
  return length(list)
end

function table.getn(list)
  return checked(list, "getn")
end

function table.maxn(list)
  checked(list, "maxn")
  local high = 0
  for key, value in next, list do
    if type(key) == "number" and key > high and key < MAX_ARRAY and key == floor(key) then high = key end
  end
  return high
end

local highest = table.maxn

function table.insert(list, ...)
  local n, given = checked(list, "insert"), select("#", ...)
  if given == 0 then error("wrong number of arguments", 2) end
  if given == 1 then
    list[n + 1] = (...)
    return
  end
  local position, value = ...
  if position > n or position < 1 then
    list[position] = value
    return
  end
  for i = n, position, -1 do list[i + 1] = list[i] end
  list[position] = value
end

function table.remove(list, position)
  local n = checked(list, "remove")
  if n == 0 or position and position > n then return nil end
  if position == nil or position < 1 then position = n end
  local value = list[position]
  for i = position, n - 1 do list[i] = list[i + 1] end
  list[n] = nil
  return value
end

function table.concat(list, separator, first, last)
  local n = checked(list, "concat")
  first, last = first or 1, last or n
  if first < 1 then first = 1 end
  if last > n then last = n end
  if first > last then return "" end
  local parts = {}
  for i = first, last do
    local value = rawget(list, i)
    if type(value) == "number" then
      value = text_of(value)
    elseif type(value) ~= "string" then
      error("invalid value (" .. type(value) .. ") at index " .. i .. " in table for concat", 2)
    end
    parts[#parts + 1] = value
  end
  return concat(parts, textual(separator or ""))
end

table.foreach, table.foreachi, table.setn = nil, nil, nil

-- math, os, io, debug -----------------------------------------------------------------------------------------------------------

math.huge = 1.7976931348623157e308
function math.mod(left, right) return left % right end

local real_os = os
local days = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" }
local months = {
  "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
}

local function clock_text(letter, parts, utc, at)
  local h12 = parts.hour % 12 == 0 and 12 or parts.hour % 12
  if letter == "a" then return sub(days[parts.wday], 1, 3) end
  if letter == "A" then return days[parts.wday] end
  if letter == "b" then return sub(months[parts.month], 1, 3) end
  if letter == "B" then return months[parts.month] end
  if letter == "d" then return format("%02d", parts.day) end
  if letter == "F" then return format("%04d-%02d-%02d", parts.year, parts.month, parts.day) end
  if letter == "H" then return format("%02d", parts.hour) end
  if letter == "I" then return format("%02d", h12) end
  if letter == "m" then return format("%02d", parts.month) end
  if letter == "M" then return format("%02d", parts.min) end
  if letter == "p" then return parts.hour < 12 and "AM" or "PM" end
  if letter == "P" then return parts.hour < 12 and "am" or "pm" end
  if letter == "S" then return format("%02d", parts.sec) end
  if letter == "X" then return format("%02d:%02d:%02d", parts.hour, parts.min, parts.sec) end
  if letter == "x" then return format("%02d/%02d/%02d", parts.hour, parts.min, parts.sec) end
  if letter == "y" then return format("%02d", parts.year % 100) end
  if letter == "Y" then return format("%04d", parts.year) end
  if letter == "w" then return format("%d", parts.wday - 1) end
  if letter == "z" then return utc and "+0000" or date("%z", at) end
  if letter == "Z" then return utc and "UTC" or date("%Z", at) end
  if letter == "c" then
    local zone = utc and "UTC" or date("%Z", at)
    local month, year = sub(months[parts.month], 1, 3), parts.year % 100
    return format("%02d %s %02d %02d:%02d %s", parts.day, month, year, parts.hour, parts.min, zone)
  end
  return "%" .. letter
end

local function new_date(template, at)
  template = template == nil and "%c" or template
  if type(template) ~= "string" then error("bad argument #1 to date (string expected)", 2) end
  at = at == nil and time() or at
  if type(at) ~= "number" then error("bad argument #2 to date (number expected)", 2) end
  local utc = sub(template, 1, 1) == "!"
  if utc then template = gsub(template, "^!+", "") end
  local parts = date(utc and "!*t" or "*t", at)
  if not parts then error("time out of range", 2) end
  if sub(template, 1, 2) == "*t" then
    parts.yday, parts.isdst = 0, false
    return parts
  end
  return (gsub(template, "%%(.)", function(letter)
    return letter == "%" and "%" or clock_text(letter, parts, utc, at)
  end))
end

local function whole(value, absent)
  if type(value) == "string" then value = tonumber(value) or absent end
  if type(value) ~= "number" then return absent end
  return value < 0 and -floor(-value) or floor(value)
end

local function new_time(parts)
  if parts == nil then return time() end
  if type(parts) ~= "table" then error("bad argument #1 to time (table expected, got " .. type(parts) .. ")", 2) end
  return time({
    year = whole(rawget(parts, "year"), -1),
    month = whole(rawget(parts, "month"), -1),
    day = whole(rawget(parts, "day"), -1),
    hour = whole(rawget(parts, "hour"), 12),
    min = whole(rawget(parts, "min"), 0),
    sec = whole(rawget(parts, "sec"), 0),
  })
end

globals.os = {
  clock = real_os.clock,
  date = new_date,
  difftime = function(later, earlier) return later - earlier end,
  getenv = function() return nil end,
  setlocale = function() return false end,
  time = new_time,
}
for _, name in next, { "execute", "exit", "remove", "rename", "setenv", "tmpname" } do globals.os[name] = refuse("os." .. name) end

local file = {}
function file.write() return file end
function file.flush() return true end
function file.setvbuf() return true end
function file.close() return true end
function file.read() return nil end

globals.io = {
  write = function() return file end,
  flush = function() return true end,
  read = function() return nil end,
  open = function(name) return nil, tostring(name) .. ": files are not available to scripts" end,
  type = function(value) return value == file and "file" or nil end,
  stdin = file, stdout = file, stderr = file,
}
for _, name in next, { "close", "input", "lines", "output", "popen", "tmpfile" } do globals.io[name] = refuse("io." .. name) end

local shown = { "source", "short_src", "what", "currentline", "linedefined", "lastlinedefined", "nups", "name", "namewhat" }

globals.debug = {
  traceback = function(message) return traceback(message, 2) end,
  getmetatable = getmetatable,
  setmetatable = setmetatable,
  getfenv = getfenv,
  setfenv = setfenv,
  getinfo = function(level)
    if type(level) == "number" then level = level + 1 end
    local found, copied = getinfo(level), {}
    if not found then return nil end
    for _, name in next, shown do copied[name] = found[name] end
    return copied
  end,
}
loaded.os, loaded.io, loaded.debug = globals.os, globals.io, globals.debug

-- JSON --------------------------------------------------------------------------------------------------------------------------

local escapes = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
  ["<"] = "\\u003c", [">"] = "\\u003e", ["&"] = "\\u0026",
}
local separators = { ["\226\128\168"] = "\\u2028", ["\226\128\169"] = "\\u2029" }

local function escaped(c)
  return escapes[c] or format("\\u%04x", byte(c))
end

local function json_string(text)
  text = gsub(text, '[%z\1-\31"\\<>&]', escaped)
  if find(text, "\226\128", 1, true) then text = gsub(text, "\226\128[\168\169]", separators) end
  return '"' .. text .. '"'
end

local write

local function write_table(value, out, depth)
  if depth > 1000 then error("the returned table is nested too deeply, or contains itself", 0) end
  local high = highest(value)
  if high > 0 then
    if high > 2000000 then error("the returned list has " .. high .. " places", 0) end
    for i = 1, high do
      out[#out + 1] = i == 1 and "[" or ","
      write(rawget(value, i), out, depth)
    end
    out[#out + 1] = "]"
    return
  end
  local meta = getmetatable(value)
  if type(meta) == "table" and rawget(meta, "__is_array") == true then
    out[#out + 1] = "[]"
    return
  end
  local keys, values = {}, {}
  for key, item in next, value do
    local name = printable(key)
    if values[name] == nil then keys[#keys + 1] = name end
    values[name] = item
  end
  sort(keys)
  for i = 1, #keys do
    out[#out + 1] = (i == 1 and "{" or ",") .. json_string(keys[i]) .. ":"
    write(values[keys[i]], out, depth)
  end
  out[#out + 1] = #keys == 0 and "{}" or "}"
end

function write(value, out, depth)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = json_string(value)
  elseif kind == "number" then
    out[#out + 1] = json_number(value)
  elseif kind == "boolean" or kind == "nil" then
    out[#out + 1] = value == nil and "null" or tostring(value)
  elseif kind == "table" then
    write_table(value, out, depth + 1)
  else
    error("a " .. kind .. " cannot be written as JSON", 0)
  end
end

-- entry -------------------------------------------------------------------------------------------------------------------------

local function last(ok, ...)
  local n = select("#", ...)
  if not ok then
    local message = (...)
    if type(message) ~= "string" and type(message) ~= "number" then message = "an error value of type " .. type(message) end
    return false, textual(message)
  end
  return true, (select(n == 0 and 1 or n, ...))
end

local function start(bytes)
  return assert(loadstring(bytes, "=<string>"))
end

return function(chunk, event, wanted)
  globals.event = event
  local ok, value = last(pcall(start(chunk), joined, measured))
  if not ok then return false, value end
  if wanted == "filter" then return true, value == true end
  if type(value) ~= "table" then return false, "it returns a " .. type(value) .. ", not a table" end
  local out = {}
  local written, problem = pcall(write, value, out, 0)
  if not written then return false, problem end
  return true, concat(out)
end
