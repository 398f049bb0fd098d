# What is checked beside the test programs themselves, each a test of its own, so that one summary tells everything:
# the look of the code, the linter, and the same tests built in other ways.
find_program(ACCRETE_CLANG_FORMAT clang-format-14)
find_program(ACCRETE_CLANG_TIDY clang-tidy-14)
mark_as_advanced(ACCRETE_CLANG_FORMAT ACCRETE_CLANG_TIDY)

# accrete_check(<name> <script> <arguments...>): sh tests/checks/<script> in the root of the project
function(accrete_check name script)
  add_test(NAME ${name} COMMAND sh "${CMAKE_CURRENT_SOURCE_DIR}/checks/${script}" ${ARGN} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES LABELS slow TIMEOUT 3000)
endfunction()

if(ACCRETE_CLANG_FORMAT)
  accrete_check(format format.sh "${ACCRETE_CLANG_FORMAT}")
endif()
if(ACCRETE_CLANG_TIDY)
  accrete_check(tidy tidy.sh "${ACCRETE_CLANG_TIDY}" "${accrete_flag_file}")
endif()

accrete_check(mutations mutate.sh --places)
if(TARGET accrete_tool)
  accrete_check(tool_size size.sh "$<TARGET_FILE:accrete_tool>")
endif()

# What reads files; the other test programs run under sanitizers by hand (`cmake --build --preset asan --target tested`).
accrete_check(build_asan build.sh asan tested_core tested_io tested_data)
# Both product engines live in every test program; what remains is that everything compiles and answers without oneDNN's headers.
accrete_check(build_without_onednn build.sh omp tested_backbone)
if(ACCRETE_CLANG_TIDY)
  accrete_check(build_clang build.sh tidy test_headers test_static accrete_benchmarks)
endif()
include(CheckLanguage)
check_language(CUDA)
if(CMAKE_CUDA_COMPILER)
  accrete_check(build_cuda build.sh cuda test_device)
endif()
# These use all processors themselves.
foreach(name IN ITEMS build_asan build_without_onednn build_clang)
  if(TEST ${name})
    set_property(TEST ${name} PROPERTY RUN_SERIAL ON)
  endif()
endforeach()
