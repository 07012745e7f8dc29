// SPDX-License-Identifier: GPL-2.0
// The keys of a guest's definition: one line each in definition_keys.cpp says how it is called, what it takes and where it goes.
// Reading, writing, JSON, `colinux set` and what is said about mistakes all follow from these tables.
#pragma once

#include "cli/definition.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace colinux {

using DefinitionValue = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;
enum class ValueKind { Text, Number, Flag, List }; // the index of DefinitionValue

nlohmann::json json_value(const DefinitionValue& value);
std::string toml_value(const DefinitionValue& value); // Failure: Usage, it is not UTF-8

template <typename Owner>
struct DefinitionKey {
    std::string_view name;
    ValueKind kind;
    std::string_view expected;                                // "a size, as \"512M\""
    std::function<void(Owner&, const DefinitionValue&)> read; // Failure with what is wrong; the value is of `kind`
    std::function<DefinitionValue(const Owner&)> write;
};

const std::vector<DefinitionKey<MachineConfig>>& machine_keys();
const std::vector<DefinitionKey<GuestDefinition>>& definition_keys(); // further ones of the same, first part of the file
const std::vector<DefinitionKey<DiskConfig>>& disk_keys();            // of each [[disk]]
const std::vector<DefinitionKey<NetConfig>>& net_keys();              // of each [[net]]

template <typename Owner>
const DefinitionKey<Owner>* find_key(const std::vector<DefinitionKey<Owner>>& keys, std::string_view name)
{
    for (const DefinitionKey<Owner>& key : keys)
        if (key.name == name)
            return &key;
    return nullptr;
}

template <typename Owner>
std::vector<std::string_view> key_names(const std::vector<DefinitionKey<Owner>>& keys)
{
    std::vector<std::string_view> names;
    for (const DefinitionKey<Owner>& key : keys)
        names.push_back(key.name);
    return names;
}

} // namespace colinux
