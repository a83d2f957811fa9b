// A CUDA device made of the CPU, for machines without one (see emulated_gpu.py).
//
// Tensors on it are real and its numbers are the CPU's; what it is for is what a CPU forgives and a GPU does
// not. A kernel whose tensors lie on two devices is refused, as CUDA refuses it, and every time that the
// program would wait for the device is counted.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/native/TensorShape.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_set>

namespace {

using at::Tensor;
using c10::Device;
using c10::DeviceIndex;
using c10::DeviceType;
using c10::Stream;

const Device kCard(DeviceType::CUDA, 0);

std::atomic<long> waits{0};
std::atomic<long> copies{0};
std::atomic<long> kernels{0};

// --- memory

struct CardMemory final : at::Allocator {
  at::DataPtr allocate(size_t bytes) override {
    void* place = bytes ? std::malloc(bytes) : nullptr;
    return {place, place, &std::free, kCard};
  }
  at::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};

std::mutex pinned_lock;
std::unordered_set<const void*> pinned_places;

void free_pinned(void* place) {
  const std::lock_guard<std::mutex> held(pinned_lock);
  pinned_places.erase(place);
  std::free(place);
}

struct PinnedMemory final : at::Allocator {
  at::DataPtr allocate(size_t bytes) override {
    void* place = std::malloc(bytes ? bytes : 1);
    const std::lock_guard<std::mutex> held(pinned_lock);
    pinned_places.insert(place);
    return {place, place, &free_pinned, Device(at::kCPU)};
  }
  at::DeleterFnPtr raw_deleter() const override { return &free_pinned; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
};

CardMemory card_memory;
PinnedMemory pinned_memory;

// --- what torch asks of a device: its streams are always done

struct Guard final : c10::impl::NoOpDeviceGuardImpl<DeviceType::CUDA> {
  DeviceIndex deviceCount() const noexcept override { return 1; }
  Device exchangeDevice(Device) const override { return kCard; }
  Device getDevice() const override { return kCard; }
  static Stream only() { return Stream(Stream::DEFAULT, kCard); }
  Stream getStream(Device) const noexcept override { return only(); }
  Stream getDefaultStream(Device) const override { return only(); }
  Stream getNewStream(Device, int) const override { return only(); }
  Stream getStreamFromGlobalPool(Device, bool) const override { return only(); }
  Stream exchangeStream(Stream) const noexcept override { return only(); }
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override { waits++; }
  void recordDataPtrOnStream(const c10::DataPtr&, const Stream&) const override {}
  void record(void**, const Stream&, const DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void synchronizeEvent(void*) const override { waits++; }
  void destroyEvent(void*, const DeviceIndex) const noexcept override {}
};

struct Hooks : at::CUDAHooksInterface {
  explicit Hooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  DeviceIndex current_device() const override { return 0; }
  int getNumGPUs() const override { return 1; }
  bool isPinnedPtr(const void* place) const override {
    const std::lock_guard<std::mutex> held(pinned_lock);
    return pinned_places.count(place) > 0;
  }
  at::Allocator* getPinnedMemoryAllocator() const override { return &pinned_memory; }
  void deviceSynchronize(DeviceIndex) const override { waits++; }
  const at::Generator& getDefaultGenerator(DeviceIndex) const override {
    return at::detail::getDefaultCPUGenerator();
  }
};

// --- kernels that need more than the CPU's own

Tensor on_cpu(const Tensor& tensor) {
  if (!tensor.is_cuda()) return tensor;
  auto* place = static_cast<char*>(tensor.storage().mutable_data());
  place += tensor.storage_offset() * tensor.element_size();
  return at::from_blob(place, tensor.sizes(), tensor.strides(), tensor.options().device(at::kCPU));
}

Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
             std::optional<Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  const c10::DispatchKeySet keys(c10::DispatchKey::CUDA);
  return at::detail::empty_generic(size, &card_memory, keys, c10::dtype_or_default(type), format);
}

Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type,
                     std::optional<at::Layout>, std::optional<Device>, std::optional<bool>) {
  const c10::DispatchKeySet keys(c10::DispatchKey::CUDA);
  return at::detail::empty_strided_generic(size, stride, &card_memory, keys, c10::dtype_or_default(type));
}

Tensor& copy(Tensor& to, const Tensor& from, bool non_blocking) {
  if (from.is_cuda() && !to.is_cuda()) waits++;
  if (!from.is_cuda() && to.is_cuda()) {
    copies++;
    // From memory that is not pinned CUDA copies at once, which is to wait for what was queued before.
    if (!(non_blocking && from.is_pinned())) waits++;
  }
  on_cpu(to).copy_(on_cpu(from));
  return to;
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool non_blocking) {
  Tensor target = to;
  return copy(target, from, non_blocking);
}

Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  Tensor target = to;
  if (target.sizes() != from.sizes()) target.resize_(from.sizes());
  return copy(target, from, false);
}

at::Scalar item(const Tensor& tensor) {
  waits++;
  return on_cpu(tensor).item();
}

const Tensor& resize(const Tensor& tensor, at::IntArrayRef size, std::optional<at::MemoryFormat>) {
  const auto wanted = (c10::multiply_integers(size) + tensor.storage_offset()) * tensor.element_size();
  auto* storage = tensor.storage().unsafeGetStorageImpl();
  if (storage->nbytes() < static_cast<size_t>(wanted)) {
    auto fresh = card_memory.allocate(wanted);
    std::memcpy(fresh.get(), storage->data(), storage->nbytes());
    storage->set_data_ptr(std::move(fresh));
    storage->set_nbytes(wanted);
  }
  tensor.unsafeGetTensorImpl()->set_sizes_contiguous(size);
  return tensor;
}

Tensor as_strided(const Tensor& tensor, c10::SymIntArrayRef size, c10::SymIntArrayRef stride,
                  std::optional<c10::SymInt> offset) {
  std::optional<int64_t> start;
  if (offset) start = offset->expect_int();
  return at::native::as_strided_tensorimpl(tensor, C10_AS_INTARRAYREF_SLOW(size),
                                           C10_AS_INTARRAYREF_SLOW(stride), start);
}

Tensor view(const Tensor& tensor, c10::SymIntArrayRef size) {
  return at::native::view(tensor, C10_AS_INTARRAYREF_SLOW(size));
}

Tensor reshape_alias(const Tensor& tensor, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
  return at::native::_reshape_alias(tensor, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
}

Tensor& set_storage_offset(Tensor& tensor, at::Storage storage, int64_t offset, at::IntArrayRef size,
                           at::IntArrayRef stride) {
  tensor.unsafeGetTensorImpl()->set_storage_keep_dtype(std::move(storage));
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(size, stride, offset);
  return tensor;
}

Tensor& set_storage(Tensor& tensor, at::Storage storage) {
  const auto count = static_cast<int64_t>(storage.nbytes() / tensor.element_size());
  return set_storage_offset(tensor, std::move(storage), 0, {count}, {1});
}

int64_t plain_attention(const Tensor&, const Tensor&, const Tensor&, const std::optional<Tensor>&, double, bool,
                        std::optional<double>, bool) {
  return 0;
}

// --- all others: the CPU's kernel, once every tensor is where a GPU's would look for it

bool takes_indices_from_anywhere(const std::string& name) { return name.find("index") != std::string::npos; }

bool answers_on_the_cpu(const std::string& name) {
  return name == "aten::nonzero" || name == "aten::masked_select" || name == "aten::equal" ||
         name == "aten::_unique2";
}

void by_the_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  bool on_card = false;
  bool elsewhere = false;
  const auto look = [&](const Tensor& tensor) {
    if (!tensor.defined()) return;
    on_card |= tensor.is_cuda();
    elsewhere |= !tensor.is_cuda() && tensor.dim() > 0;
  };
  for (const auto& value : torch::jit::last(*stack, op.schema().arguments().size())) {
    if (value.isTensor()) look(value.toTensor());
    if (value.isTensorList())
      for (const Tensor& tensor : value.toTensorVector()) look(tensor);
  }
  const std::string name = c10::toString(op.operator_name());
  TORCH_CHECK(!(on_card && elsewhere) || takes_indices_from_anywhere(name) || name == "aten::is_pinned",
              "Expected all tensors to be on the same device (", name, ")");
  const long waited = waits + (answers_on_the_cpu(name) ? 1 : 0);
  const long copied = copies;
  at::native::cpu_fallback(op, stack, false, c10::DispatchKey::CPU);
  waits = waited;  // its own ways to and from the CPU are none of a GPU's
  copies = copied;
  kernels++;
}

}  // namespace

namespace c10::impl {
C10_REGISTER_GUARD_IMPL(CUDA, Guard)
}
namespace at {
using CUDAHooks = ::Hooks;
REGISTER_CUDA_HOOKS(CUDAHooks)
}
REGISTER_ALLOCATOR(at::kCUDA, &card_memory)

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&by_the_cpu>());
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("copy_", &copy);
  library.impl("_copy_from", &copy_from);
  library.impl("_copy_from_and_resize", &copy_from_and_resize);
  library.impl("_local_scalar_dense", &item);
  library.impl("resize_", &resize);
  library.impl("as_strided", &as_strided);
  library.impl("view", &view);
  library.impl("_reshape_alias", &reshape_alias);
  library.impl("unfold", &at::native::unfold);
  library.impl("set_.source_Storage", &set_storage);
  library.impl("set_.source_Storage_storage_offset", &set_storage_offset);
  library.impl("_fused_sdp_choice", &plain_attention);
}

extern "C" {
long emulated_waits() { return waits; }
long emulated_copies() { return copies; }
long emulated_kernels() { return kernels; }
}
