// SPDX-License-Identifier: GPL-2.0
// edit_definition(): one value of the file is exchanged as text; then what the new text says is compared with what it should
// say, so whatever was written in a way that this does not understand is refused, not spoilt.
#include "cli/definition_keys.hpp"
#include "cli/definition_reader.hpp"
#include "cli/nearest.hpp"
#include "control/failure.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

namespace colinux {

using nlohmann::json;

namespace {

struct KeyPath {
    std::string table; // "disk[0]", or empty: the first part
    std::string list;  // "disk"
    std::size_t index{};
    std::string name;
};

[[noreturn]] void refuse(const std::string& what) { throw Failure{ExitCode::Usage, what}; }

KeyPath parse_path(const std::string& key)
{
    std::size_t open = key.find('['), close = key.find("].");
    if (open == std::string::npos)
        return {"", "", 0, key};
    KeyPath path{key.substr(0, close + 1), key.substr(0, open), 0, close == std::string::npos ? "" : key.substr(close + 2)};
    auto [end, error] = std::from_chars(key.data() + open + 1, key.data() + key.size(), path.index);
    if (close == std::string::npos || error != std::errc{} || end != key.data() + close || (path.list != "disk" && path.list != "net"))
        refuse("key '" + key + "': expected as memory, disk[0].read_only or net[0].forward");
    return path;
}

DefinitionValue value_from(const std::string& text, ValueKind kind, std::string_view expected)
{
    switch (kind) {
    case ValueKind::Text:
        return text;
    case ValueKind::Number: {
        std::int64_t number{};
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || end != text.data() + text.size())
            refuse("'" + text + "': expected " + std::string{expected});
        return number;
    }
    case ValueKind::Flag:
        if (text != "true" && text != "false")
            refuse("'" + text + "': expected true or false");
        return text == "true";
    case ValueKind::List:
        break;
    }
    std::vector<std::string> parts;
    std::istringstream stream{text};
    for (std::string part; std::getline(stream, part, ',');)
        parts.push_back(part);
    return parts;
}

// What the definition will say for that key: `text`, as it is understood, or, without one, what is so by default.
template <typename Owner>
std::optional<DefinitionValue> wanted_value(const std::vector<DefinitionKey<Owner>>& keys, const KeyPath& path, const std::string& text)
{
    const DefinitionKey<Owner>* key = find_key(keys, path.name);
    Owner owner{};
    if (key && !text.empty()) {
        try {
            key->read(owner, value_from(text, key->kind, key->expected));
        } catch (const Failure& failure) {
            refuse(path.name + ": " + failure.what());
        }
    }
    return key ? std::optional{key->write(owner)} : std::nullopt;
}

[[noreturn]] void refuse_unknown(const KeyPath& path, const std::string& file)
{
    std::vector<std::string_view> known = path.list == "disk" ? key_names(disk_keys()) : path.list == "net" ? key_names(net_keys()) : key_names(machine_keys());
    if (path.list.empty())
        std::ranges::copy(key_names(definition_keys()), std::back_inserter(known));
    if (path.name == "disk" || path.name == "net")
        refuse("to add or remove a " + path.name + ", edit " + file + "; what one says is set by: " + path.name + "[0].KEY=VALUE");
    std::string list;
    for (std::string_view name : known)
        list += (list.empty() ? "" : ", ") + std::string{name};
    std::string_view meant = nearest(path.name, known);
    refuse("unknown key '" + path.name + "'; " + (meant.empty() ? "known are: " + list : "is '" + std::string{meant} + "' meant?"));
}

// Where a line of the text begins; lines count from 1, one behind the last is its end.
std::size_t start_of_line(std::string_view text, std::size_t line)
{
    std::size_t offset = 0;
    for (std::size_t i = 1; i < line; i++) {
        std::size_t newline = text.find('\n', offset);
        if (newline == std::string_view::npos)
            return text.size();
        offset = newline + 1;
    }
    return offset;
}

// Columns count characters, not bytes.
std::size_t offset_of(std::string_view text, std::size_t line, std::size_t column)
{
    std::size_t offset = start_of_line(text, line);
    for (; column > 1 && offset < text.size(); column--)
        for (offset++; offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xc0) == 0x80;)
            offset++;
    return offset;
}

std::string changed_text(std::string text, const KeyPath& path, const std::string& key, const std::string& value)
{
    if (std::optional<DefinitionPlace> place = find_value(text, key)) {
        std::size_t begin = offset_of(text, place->line, place->column), end = offset_of(text, place->end_line, place->end_column);
        if (value.empty()) {
            begin = start_of_line(text, place->line);
            end = start_of_line(text, place->end_line + 1);
        }
        return text.replace(begin, end - begin, value);
    }
    std::optional<std::size_t> line = line_for_new_value(text, path.table);
    if (value.empty() || !line)
        return text;
    if (!text.empty() && !text.ends_with('\n'))
        text += '\n';
    return text.insert(start_of_line(text, *line + 1), path.name + " = " + value + "\n");
}

} // namespace

std::string edit_definition(std::string_view toml, const std::string& file, const std::string& key, const std::string& value)
{
    KeyPath path = parse_path(key);
    json wanted = definition_json(parse_definition(toml, file));
    json* owner = &wanted;
    if (!path.list.empty()) {
        if (path.index >= wanted[path.list].size())
            refuse("there is no " + path.table + " in " + file + ", which has " + std::to_string(wanted[path.list].size()) + " of them");
        owner = &wanted[path.list][path.index];
    }
    std::optional<DefinitionValue> as_read = path.list == "disk" ? wanted_value(disk_keys(), path, value)
                                             : path.list == "net" ? wanted_value(net_keys(), path, value)
                                                                  : wanted_value(machine_keys(), path, value);
    if (path.list.empty() && !as_read)
        as_read = wanted_value(definition_keys(), path, value);
    if (!as_read)
        refuse_unknown(path, file);
    (*owner)[path.name] = json_value(*as_read);

    std::string text = changed_text(std::string{toml}, path, key, value.empty() ? "" : toml_value(*as_read));
    if (definition_json(parse_definition(text, file)) != wanted)
        refuse("'" + key + "' is written in " + file + " in a way that can be changed by hand only; edit that file");
    return text;
}

} // namespace colinux
