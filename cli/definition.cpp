// SPDX-License-Identifier: GPL-2.0
#include "cli/definition.hpp"

#include "cli/definition_keys.hpp"
#include "cli/definition_reader.hpp"
#include "control/failure.hpp"

namespace colinux {

using nlohmann::json;

namespace {

std::string place_and_text(const std::string& file, const DefinitionProblem& problem)
{
    return file + ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column) + ": " + problem.text;
}

template <typename Owner>
std::string lines(const std::vector<DefinitionKey<Owner>>& keys, const Owner& owner, bool whole)
{
    std::string text;
    const Owner as_by_default{};
    for (const DefinitionKey<Owner>& key : keys) {
        DefinitionValue value = key.write(owner);
        if (whole || key.name == "type" || value != key.write(as_by_default))
            text += std::string{key.name} + " = " + toml_value(value) + "\n";
    }
    return text;
}

template <typename Owner>
void add_fields(json& object, const std::vector<DefinitionKey<Owner>>& keys, const Owner& owner)
{
    for (const DefinitionKey<Owner>& key : keys)
        object[std::string{key.name}] = json_value(key.write(owner));
}

template <typename Owner>
json list_of(const std::vector<DefinitionKey<Owner>>& keys, const std::vector<Owner>& owners)
{
    json list = json::array();
    for (const Owner& owner : owners)
        add_fields(list.emplace_back(json::object()), keys, owner);
    return list;
}

} // namespace

std::vector<std::string> definition_problems(std::string_view toml, const std::string& file)
{
    std::vector<std::string> problems;
    for (const DefinitionProblem& problem : read_definition(toml).problems)
        problems.push_back(place_and_text(file, problem));
    return problems;
}

GuestDefinition parse_definition(std::string_view toml, const std::string& file)
{
    ReadDefinition read = read_definition(toml);
    if (!read.problems.empty())
        throw Failure{ExitCode::DefinitionInvalid,
                      place_and_text(file, read.problems[0]) + (read.problems.size() > 1 ? " (all: colinux config check " + file + ")" : "")};
    return std::move(read.definition);
}

void check_definition(const GuestDefinition& definition)
{
    MachineConfig whole = definition.machine;
    if (whole.kernel.empty() && !whole.disks.empty())
        whole.kernel = "/the/first/disk's";
    whole.memory_bytes = round_up_memory(whole.memory_bytes); // as when it is started
    check_config(whole);
}

std::string definition_toml(const GuestDefinition& definition, bool whole)
{
    std::string text = lines(machine_keys(), definition.machine, whole) + lines(definition_keys(), definition, whole);
    for (const DiskConfig& disk : definition.machine.disks)
        text += "\n[[disk]]\n" + lines(disk_keys(), disk, whole);
    for (const NetConfig& net : definition.machine.nets)
        text += "\n[[net]]\n" + lines(net_keys(), net, whole);
    return text;
}

json definition_json(const GuestDefinition& definition)
{
    json object = json::object();
    add_fields(object, machine_keys(), definition.machine);
    add_fields(object, definition_keys(), definition);
    object["disk"] = list_of(disk_keys(), definition.machine.disks);
    object["net"] = list_of(net_keys(), definition.machine.nets);
    return object;
}

} // namespace colinux
