# tests/fuzz/<name>.cpp: a libFuzzer target over one reader, built by clang with address and undefined-behaviour sanitizers
# whatever compiler builds the rest, and run for a moment on tests/fuzz/corpus/<name>. A long run:
#   build/dev/tests/fuzzers/<name> -runs=2000000 -artifact_prefix=/tmp/ /tmp/corpus tests/fuzz/corpus/<name>
find_program(ACCRETE_FUZZ_CXX NAMES clang++-14 clang++ DOC "Clang with libFuzzer")
mark_as_advanced(ACCRETE_FUZZ_CXX)

if(ACCRETE_FUZZ_CXX AND NOT DEFINED ACCRETE_FUZZ_WORKS)
  file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/libfuzzer_works.cpp" "extern \"C\" int LLVMFuzzerTestOneInput(unsigned char const*, unsigned long) { return 0; }\n")
  execute_process(COMMAND "${ACCRETE_FUZZ_CXX}" -fsanitize=fuzzer,address,undefined "${CMAKE_CURRENT_BINARY_DIR}/libfuzzer_works.cpp" -o "${CMAKE_CURRENT_BINARY_DIR}/libfuzzer_works"
                  RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
  if(failed EQUAL 0)
    set(ACCRETE_FUZZ_WORKS ON CACHE INTERNAL "clang++ links libFuzzer")
  else()
    set(ACCRETE_FUZZ_WORKS OFF CACHE INTERNAL "clang++ links libFuzzer")
  endif()
endif()

file(GLOB accrete_fuzzers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*.cpp")
if(accrete_fuzzers AND NOT (ACCRETE_FUZZ_WORKS AND TARGET accrete_image))
  message(STATUS "No fuzzers: they need clang++ with libFuzzer, and the image libraries")
  return()
endif()

file(MAKE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/fuzzers")
set(accrete_fuzz_includes "$<TARGET_PROPERTY:accrete_image,INTERFACE_INCLUDE_DIRECTORIES>")
foreach(source IN LISTS accrete_fuzzers)
  get_filename_component(name "${source}" NAME_WE)
  set(program "${CMAKE_CURRENT_BINARY_DIR}/fuzzers/${name}")
  add_custom_command(
    OUTPUT "${program}"
    COMMAND "${CMAKE_CXX_COMPILER_LAUNCHER}" "${ACCRETE_FUZZ_CXX}" -std=c++20 -O1 -g1 -pthread -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
            "-I$<JOIN:${accrete_fuzz_includes},;-I>" -c "${source}" -MD -MF "${program}.d" -MT "${program}" -o "${program}.o"
    COMMAND "${ACCRETE_FUZZ_CXX}" -pthread -fsanitize=fuzzer,address,undefined "${program}.o" -o "${program}" "$<TARGET_FILE:JPEG::JPEG>" "$<TARGET_FILE:PNG::PNG>" "$<TARGET_FILE:ZLIB::ZLIB>"
    DEPENDS "${source}"
    DEPFILE "${program}.d"
    COMMENT "Building fuzzer ${name}"
    COMMAND_EXPAND_LISTS VERBATIM)
  add_custom_target(fuzz_${name} ALL DEPENDS "${program}")

  # New findings of the run go to the build folder; the corpus in the tree is only read.
  set(found "${CMAKE_CURRENT_BINARY_DIR}/fuzz_found/${name}")
  file(MAKE_DIRECTORY "${found}")
  set(corpus "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name}")
  if(NOT IS_DIRECTORY "${corpus}")
    set(corpus)
  endif()
  add_test(NAME fuzz_${name} COMMAND "${program}" -runs=20000 -max_total_time=5 -timeout=20 -rss_limit_mb=2048 -verbosity=0 "-artifact_prefix=${found}-" "${found}" ${corpus})
  set_tests_properties(fuzz_${name} PROPERTIES LABELS slow TIMEOUT 120)
endforeach()
